"use strict";
// Shows /openapi.json: operations by tag with their parameters, bodies and answers, and a form to try each of them.
// Whatever is shown is made as text, so nothing that is described or answered can become part of the page itself.

const make = (name, given = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), given);
  made.append(...inside.filter((each) => each !== null));
  return made;
};

const nameOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);

// A schema in a few words, with names of schemas as links.
const words = (schema) => {
  if (!schema || Object.keys(schema).length === 0) return ["anything"];
  if (schema.$ref) return [make("a", { href: `#schema-${nameOf(schema.$ref)}`, textContent: nameOf(schema.$ref) })];
  const among = schema.anyOf || schema.oneOf;
  if (among) return among.flatMap((each, place) => (place ? [" or ", ...words(each)] : words(each)));
  if (schema.enum) return [schema.enum.map((each) => JSON.stringify(each)).join(" | ")];
  if (schema.type === "array") return ["list of ", ...words(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["object of ", ...words(schema.additionalProperties)];
  const bounds = [
    ["minimum", "at least"], ["maximum", "at most"], ["minLength", "length from"], ["maxLength", "length to"],
    ["default", "else"], ["format", "as"],
  ].filter(([name]) => schema[name] !== undefined).map(([name, word]) => `${word} ${schema[name]}`);
  return [[schema.type || "anything", ...bounds].join(", ")];
};

const table = (heads, rows) =>
  make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { textContent: head })))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, ...[cell].flat()))))));

const parameters = (given, inputs) =>
  table(["Parameter", "Where", "What", "Try"], given.map((each) => {
    const input = make("input", { ariaLabel: each.name, autocomplete: "off" });
    inputs.push([each, input]);
    return [
      make("code", { textContent: each.name + (each.required ? " *" : "") }), each.in,
      [...words(each.schema), each.description ? make("div", { className: "faint", textContent: each.description }) : ""],
      input,
    ];
  }));

const answers = (responses, shared) =>
  table(["Status", "Answer", "What"], Object.entries(responses).map(([status, given]) => {
    const told = given.$ref ? shared[nameOf(given.$ref)] : given;
    const forms = Object.entries(told.content || {}).flatMap(([media, each]) => [`${media}: `, ...words(each.schema), " "]);
    return [make("code", { textContent: status }), told.description, forms];
  }));

// The form: parameters that are given, a body, and what is answered, as text.
const form = (method, path, inputs, media) => {
  const body = media ? make("textarea", { rows: 6, ariaLabel: "body", value: media === "application/json" ? "{}" : "" }) : null;
  const shown = make("pre", { hidden: true });
  const button = make("button", { type: "button", textContent: `Send ${method}` });
  button.addEventListener("click", async () => {
    let address = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [each, input] of inputs) {
      if (each.in === "path") address = address.replace(`{${each.name}}`, encodeURIComponent(input.value));
      else if (input.value && each.in === "query") query.set(each.name, input.value);
      else if (input.value) headers[each.name] = input.value;
    }
    if (query.size) address += `?${query}`;
    if (body) headers["content-type"] = media;
    shown.hidden = false;
    shown.textContent = `${method} ${address}\n…`;
    try {
      const answer = await fetch(address, { method, headers, body: body ? body.value : undefined });
      const text = await answer.text();
      let said = text;
      try { said = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is no JSON */ }
      shown.textContent = `${method} ${address}\n${answer.status} ${answer.statusText}\n\n${said.slice(0, 200000)}`;
    } catch (error) {
      shown.textContent = `${method} ${address}\n${error}`;
    }
  });
  return [...(body ? [make("h3", { textContent: `Body (${media})` }), body] : []), button, shown];
};

const operation = (path, method, given, shared) => {
  const inputs = [];
  const content = (given.requestBody || {}).content;
  const media = content ? ("application/json" in content ? "application/json" : Object.keys(content)[0]) : null;
  const body = make("div");
  const made = make("details", { id: given.operationId },
    make("summary", {}, make("span", { className: "verb", textContent: method }), make("code", { textContent: path }),
      ` ${given.summary}`), body);
  made.addEventListener("toggle", () => {
    if (body.childElementCount) return;
    body.append(
      ...(given.description ? [make("p", { textContent: given.description })] : []),
      ...(given.parameters.length ? [parameters(given.parameters, inputs)] : []),
      ...(content ? [make("p", {}, "Body: ", ...words(content[media].schema))] : []),
      answers(given.responses, shared),
      ...(Object.keys(given.responses["200"]?.content || {}).includes("text/event-stream") ? [] : form(method, path, inputs, media)),
    );
  });
  made.dataset.words = `${method} ${path} ${given.summary} ${given.parameters.map((each) => each.name).join(" ")}`.toLowerCase();
  return made;
};

const schemaOf = (name, given) => {
  const required = new Set(given.required || []);
  const rows = Object.entries(given.properties || {}).map(([field, each]) => [
    make("code", { textContent: field + (required.has(field) ? " *" : "") }),
    [...words(each), each.description ? make("div", { className: "faint", textContent: each.description }) : ""],
  ]);
  return make("details", { id: `schema-${name}` }, make("summary", {}, make("code", { textContent: name })),
    make("div", {}, ...(given.description ? [make("p", { textContent: given.description })] : []),
      rows.length ? table(["Field", "What"], rows) : make("p", {}, ...words(given))));
};

const show = async () => {
  const told = await (await fetch("/openapi.json")).json();
  document.getElementById("says").textContent = told.info.description;
  const tags = new Map(told.tags.map((tag) => [tag.name, make("section", {}, make("h2", { textContent: tag.name }))]));
  for (const [path, item] of Object.entries(told.paths)) {
    for (const [method, given] of Object.entries(item)) {
      tags.get(given.tags[0]).append(operation(path, method.toUpperCase(), given, told.components.responses));
    }
  }
  document.getElementById("operations").append(...tags.values());
  document.getElementById("schemas").append(...Object.entries(told.components.schemas).map(([name, each]) => schemaOf(name, each)));
  document.getElementById("state").textContent = `Version ${told.info.version}. Requests are sent as whoever signed in.`;
  const open = () => { const found = document.getElementById(location.hash.slice(1)); if (found) found.open = true; };
  window.addEventListener("hashchange", open);
  open();
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const each of document.querySelectorAll("#operations details")) {
      each.hidden = !wanted.every((word) => each.dataset.words.includes(word));
    }
  });
};

show().catch((error) => { document.getElementById("state").textContent = `The description could not be read: ${error}`; });
