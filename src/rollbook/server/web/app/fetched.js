// Scripts and styles that are fetched when they are needed first.

const there = new Map();

// fetched("style/session.css"): resolves when it is in force. (What the page itself named is: scripts wait for that.)
export function fetched(name) {
  const address = new URL(`../${name}`, import.meta.url).href;
  if (document.querySelector(`link[rel=stylesheet][href="${new URL(address).pathname}"]`)) return Promise.resolve();
  if (!there.has(name)) there.set(name, added(name, address));
  return there.get(name);
}

function added(name, address) {
  const style = name.endsWith(".css");
  const element = document.createElement(style ? "link" : "script");
  if (style) element.rel = "stylesheet";
  element[style ? "href" : "src"] = address;
  return new Promise((done, refuse) => {
    element.addEventListener("load", done);
    element.addEventListener("error", () => {
      element.remove();
      there.delete(name);
      refuse(new Error(`${name} cannot be loaded.`));
    });
    document.head.append(element);
  });
}
