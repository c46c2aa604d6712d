// The refund dialog: opening above page or drawer, and what it says while somebody types. Without this file
// the same form is a page of its own.
(() => {
  "use strict";
  const dialog = document.querySelector("#dialog");
  let opener = null;

  // --- opening and closing ----------------------------------------------------------------------
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (dialog && !dialog.open && event.detail.target.id === "dialog-body") opener = event.detail.elt;
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (!dialog || event.detail.target.id !== "dialog-body") return;
    if (!dialog.open) dialog.showModal();
    document.querySelectorAll("form[data-refund]").forEach(preview);
  });

  document.addEventListener("detail-outdated", () => dialog?.open && dialog.close());

  document.addEventListener("click", (event) => {
    if (!dialog?.open || !(event.target === dialog || event.target.closest("[data-close-dialog]"))) return;
    event.preventDefault();
    dialog.close();
  });

  dialog?.addEventListener("close", () => {
    document.querySelector("#dialog-body").replaceChildren();
    if (opener?.isConnected) opener.focus({ preventScroll: true });
  });

  // --- what the amount means --------------------------------------------------------------------
  // Amounts are whole fen made of the typed digits; no fraction is ever computed.
  const fenOf = (typed) => {
    const parts = /^(0|[1-9][0-9]{0,6})(?:\.([0-9]{1,2}))?$/.exec(typed.trim());
    return parts ? Number(parts[1]) * 100 + Number((parts[2] || "0").padEnd(2, "0")) : null;
  };
  const money = (fen) => {
    const yuan = String(Math.trunc(fen / 100)).replace(/\B(?=(\d{3})+$)/g, ",");
    return `¥${yuan}.${String(fen % 100).padStart(2, "0")}`;
  };
  const show = (part, shown) => {
    if (!part) return;
    part.hidden = !shown;
    part.querySelector("input").required = shown;
  };

  const preview = (form) => {
    const rest = Number(form.dataset.rest);
    const amount = fenOf(form.elements.amount.value);
    const usable = amount !== null && amount > 0 && amount <= rest;
    const line = form.querySelector("[data-preview]");
    line.hidden = false;
    line.classList.toggle("bad", !usable);
    line.textContent = usable
      ? line.dataset.text.replace("{amount}", money(amount)).replace("{rest}", money(rest - amount))
      : line.dataset.none;
    show(form.querySelector("[data-twice]"), amount !== null && amount >= Number(form.dataset.twiceFrom));
    const above = form.dataset.approvalAbove;
    show(form.querySelector("[data-code]"), above !== undefined && amount !== null && amount > Number(above));
  };

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-refund]");
    if (form && event.target.name === "amount") preview(form);
  });
  document.querySelectorAll("form[data-refund]").forEach(preview);
})();
