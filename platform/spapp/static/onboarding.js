// Keeps what is typed at a step of the wizard as a draft, so that nobody has to type it twice.
(() => {
  "use strict";
  const PAUSE_MS = 1500;
  const token = document.querySelector("meta[name=csrf-token]")?.content;
  const line = document.querySelector("[data-saved]");

  const keep = async (form) => {
    const sent = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      const field = form.elements.namedItem(name);
      if (typeof value === "string" && field?.type !== "password" && name !== "csrf_token") sent.append(name, value);
    }
    sent.set("step", form.dataset.step);
    try {
      const answer = await fetch(form.dataset.draft, {
        method: "POST", body: sent, headers: { "X-CSRF-Token": token }, redirect: "error",
      });
      if (!answer.ok || !line) return;
      const said = new DOMParser().parseFromString(await answer.text(), "text/html");
      line.replaceChildren(...said.body.childNodes);
    } catch {
      // The draft is a convenience: what was typed stands in the form, and the buttons save it.
    }
  };

  document.querySelectorAll("form[data-draft]").forEach((form) => {
    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(keep, PAUSE_MS, form);
    });
    form.addEventListener("submit", () => clearTimeout(waiting));
  });
})();
