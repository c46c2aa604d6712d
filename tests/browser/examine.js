// Names what a keyboard or a screen reader would trip over (console-and-api-design section 8).
() => {
  const found = [];
  const visible = (node) => node.checkVisibility({ visibilityProperty: true });
  if (document.querySelectorAll("h1").length !== 1) found.push("not exactly one h1");
  if (!document.querySelector("main")) found.push("no main");
  for (const table of document.querySelectorAll("table")) if (!table.caption) found.push("table without caption");
  for (const head of document.querySelectorAll("th")) if (!head.scope) found.push("th without scope");
  for (const icon of document.querySelectorAll("svg")) if (icon.ariaHidden !== "true") found.push("svg not hidden");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select"))
    if (!field.labels.length && !field.ariaLabel) found.push("field without label: " + field.name);
  for (const node of document.querySelectorAll("button, .btn, summary, input:not([type=radio]), select, nav a")) {
    // A label is pressed as well as its box.
    const parts = [node, ...(node.type === "checkbox" ? node.labels : [])];
    const box = { height: Math.max(...parts.map((part) => part.getBoundingClientRect().height)) };
    if (visible(node) && node.type !== "hidden" && box.height < 24)
      found.push(`target of ${box.height}px: ${node.outerHTML.slice(0, 80)}`);
    if (visible(node) && !(node.textContent.trim() || node.ariaLabel || node.labels?.length))
      found.push("without a name: " + node.outerHTML.slice(0, 80));
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) found.push("an id twice");
  return found;
}
