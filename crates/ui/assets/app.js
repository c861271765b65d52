// Niceties alone: each page works without this file.
"use strict";

// The checkbox above a column of checkboxes: all, none, or some.
for (const form of document.querySelectorAll("form[data-modes]")) {
  const all = form.querySelector("[data-all]");
  const each = [...form.querySelectorAll("input[name=mock]")];
  const show = () => {
    const on = each.filter((box) => box.checked).length;
    all.checked = each.length > 0 && on === each.length;
    all.indeterminate = on > 0 && on < each.length;
  };
  all.hidden = each.length === 0;
  all.addEventListener("change", () => {
    for (const box of each) box.checked = all.checked;
    show();
  });
  form.addEventListener("change", show);
  show();
}

// Copies the text of a block.
for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  const said = document.querySelector("[data-copied]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      said.textContent = "Copied";
      button.textContent = "Copied";
    } catch {
      // A page that isn't served to this machine may not write there: the text is marked, to be copied by hand.
      getSelection().selectAllChildren(text);
      said.textContent = "Press Ctrl+C to copy";
      button.textContent = "Press Ctrl+C";
    }
  });
}

// A page that says that more is to come is asked for again. What somebody is using stays: the list alone is replaced, or, where there is
// none, the page, unless something in it has the focus or was changed.
if ("refresh" in document.body.dataset) {
  let touched = false;
  document.addEventListener("change", () => { touched = true; });
  const again = async () => {
    try {
      const list = document.querySelector("[data-live]");
      const response = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const newer = page.querySelector("[data-live]");
      if (!list || !newer) {
        if (response.ok && !touched) location.reload();
        return;
      }
      const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      if (list.innerHTML !== newer.innerHTML) {
        list.replaceChildren(...newer.childNodes);
        if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      }
      if (!("refresh" in page.body.dataset)) {
        delete document.body.dataset.refresh;
        return;
      }
    } catch {
      // The server is gone, or not there yet: ask again.
    }
    setTimeout(again, 1000);
  };
  setTimeout(again, 1000);
}
