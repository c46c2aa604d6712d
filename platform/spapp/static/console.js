// What the pages do beyond plain HTML: drawer, copying, keys, menus, theme. Every page works without it.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const body = document.body;
  const drawer = $("#drawer");
  const rows = () => [...document.querySelectorAll(".c-rows tbody tr")];
  let listUrl = null;
  let opener = null;
  let outdated = false;

  // --- drawer -----------------------------------------------------------------------------------
  const mark = (row) => rows().forEach((each) => each.setAttribute("aria-selected", String(each === row)));

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!drawer || event.detail.target.id !== "drawer-body") return;
    if (!drawer.open) listUrl = location.href;
    const row = event.detail.elt.closest("tr");
    if (row) { opener = $("a", row); mark(row); }
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (!drawer || event.detail.target.id !== "drawer-body") return;
    if (!drawer.open) drawer.showModal();
    drawer.scrollTop = 0;
  });

  document.addEventListener("list-outdated", () => { outdated = true; });

  drawer?.addEventListener("close", () => {
    $("#drawer-body").replaceChildren();
    if (outdated && listUrl) return location.replace(listUrl);
    if (listUrl) history.replaceState(null, "", listUrl);
    listUrl = null;
    opener?.focus({ preventScroll: true });
  });

  // --- clicks -----------------------------------------------------------------------------------
  // htmx would swallow ctrl- and middle-clicks, which people use to open a tab.
  document.addEventListener("click", (event) => {
    if (!(event.ctrlKey || event.metaKey || event.shiftKey)) return;
    if (event.target.closest?.("a[hx-get]")) event.stopImmediatePropagation();
  }, true);

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (target === drawer || target.closest("[data-close]")) {
      if (drawer?.open) { event.preventDefault(); drawer.close(); }
      return;
    }
    const copy = target.closest("[data-copy]");
    if (copy) return void copyText(copy);
    const theme = target.closest("[data-theme-switch]");
    if (theme) { event.preventDefault(); return switchTheme(theme); }
    const burger = target.closest(".c-burger");
    if (burger) {
      event.preventDefault();
      burger.setAttribute("aria-expanded", String($("#menu").toggleAttribute("data-open")));
      return;
    }
    const toast = target.closest("[data-dismiss]");
    if (toast) return toast.closest(".c-toast").remove();
    document.querySelectorAll("details.c-menu[open]").forEach((menu) => menu.contains(target) || (menu.open = false));
    const row = target.closest(".c-rows tbody tr");
    if (row && !target.closest("a, button, input, label, summary") && !String(getSelection())) $("a", row)?.click();
  });

  const copyText = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return say(body.dataset.copyFailed, "bad"); // the browser allows copying on https and localhost only
    }
    button.dataset.copied = "";
    $("#live").textContent = body.dataset.copied;
    setTimeout(() => delete button.dataset.copied, 1600);
  };

  const switchTheme = (link) => {
    const dark = document.documentElement.dataset.bsTheme !== "dark";
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    document.cookie = `theme=${dark ? "dark" : "light"}; path=/; max-age=31536000; samesite=lax`;
    document.querySelectorAll("[data-theme-switch]").forEach((each) => {
      each.href = each.href.replace(/theme=\w+/, `theme=${dark ? "light" : "dark"}`);
      each.querySelectorAll("[data-for]").forEach((part) => part.toggleAttribute("hidden", (part.dataset.for === "dark") === dark));
    });
    link.focus();
  };

  // --- keys -------------------------------------------------------------------------------------
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
    const row = all[Math.min(all.length - 1, Math.max(0, at + by))];
    mark(row);
    if (drawer?.open) return $("a", row).click();
    $("a", row)?.focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      document.querySelectorAll("details.c-menu[open]").forEach((menu) => { menu.open = false; $("summary", menu).focus(); });
      $("#menu")?.removeAttribute("data-open");
    }
    if (event.target.matches("input, select, textarea") || $("#dialog[open]")) return;
    if (event.key === "/" && !drawer?.open) { event.preventDefault(); $("#search")?.focus(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  });

  // --- requests ---------------------------------------------------------------------------------
  document.addEventListener("htmx:configRequest", (event) => {
    const token = $("meta[name=csrf-token]")?.content;
    if (token && event.detail.verb !== "get") event.detail.headers["X-CSRF-Token"] = token;
  });

  const say = (text, tone) => {
    const toast = $("#toast").content.firstElementChild.cloneNode(true);
    toast.classList.add(tone);
    $("span", toast).textContent = text;
    ([...document.querySelectorAll("dialog[open] .c-toasts")].pop() || $(".c-toasts")).append(toast);
  };
  document.addEventListener("htmx:responseError", (event) => {
    const id = event.detail.xhr.getResponseHeader("Request-Id");
    say(id ? `${body.dataset.failed} (${id})` : body.dataset.failed, "bad");
  });
  document.addEventListener("htmx:sendError", () => say(body.dataset.offline, "bad"));
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "get") {
      // A link to share should not name filters that were left empty.
      form.querySelectorAll("input, select").forEach((field) => { field.disabled = !field.value; });
    } else if (event.submitter && !form.hasAttribute("hx-post") && !form.hasAttribute("data-download")) {
      setTimeout(() => { event.submitter.disabled = true; }); // after the browser took the form's values
    }
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form :disabled").forEach((field) => { field.disabled = false; }));
})();
