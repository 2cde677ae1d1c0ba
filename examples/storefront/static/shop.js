"use strict";
// The shop works without scripts; these make it nicer.

// A button that was pressed is not pressed twice. (If it is, the server does it once.)
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => { // back from another page
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    const said = document.getElementById("copied");
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      said.textContent = "Copied.";
    } catch {
      said.textContent = "Press Ctrl+C to copy the marked link.";
    }
  });
}

for (const form of document.querySelectorAll("form[data-send]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

// An offer is checked while it is written.
for (const form of document.querySelectorAll("form[data-check]")) {
  let waiting, asked = 0;
  const show = (answer) => {
    for (const list of document.querySelectorAll("[data-list]")) {
      const items = (answer[list.dataset.list] || []).map((item) => typeof item === "string" ? item : `${item.name}: ${item.says}`);
      list.replaceChildren(...(items.length ? items : ["None"]).map((text) => {
        const li = document.createElement("li");
        li.textContent = text;
        if (!items.length) li.className = "none";
        return li;
      }));
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++asked;
      const response = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (response.ok && mine === asked) show(await response.json());
    }, 250);
  });
}
