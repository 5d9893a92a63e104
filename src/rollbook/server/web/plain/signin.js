"use strict";
// Whoever signs in goes on to the page for which they had to, and to the place within it, which no server is told.
const there = document.querySelector("[name=there]");
if (!there.value) there.value = location.pathname + location.search + location.hash;
