// Scripts and styles that are fetched when they are needed first.

// fetched("style/session.css"): resolves when it is in force.
export function fetched(name) {
  const style = name.endsWith(".css");
  const element = document.createElement(style ? "link" : "script");
  if (style) element.rel = "stylesheet";
  element[style ? "href" : "src"] = new URL(`../${name}`, import.meta.url).href;
  return new Promise((done, refuse) => {
    element.addEventListener("load", done);
    element.addEventListener("error", () => {
      element.remove();
      refuse(new Error(`${name} cannot be loaded.`));
    });
    document.head.append(element);
  });
}
