// What Streamlit's own elements lack for people who use a keyboard or a screen reader (seen with axe, Streamlit 1.67).
"use strict";
(() => {
  function mend() {
    // A drop zone has a name, and "presentation" says that it has none.
    for (const zone of document.querySelectorAll('[data-testid="stFileUploaderDropzone"][role="presentation"]'))
      zone.setAttribute("role", "group");
    // A short notice is a dialog, and points at a name that is not there.
    for (const notice of document.querySelectorAll('[data-testid="stToast"][aria-labelledby]'))
      if (!document.getElementById(notice.getAttribute("aria-labelledby"))?.textContent) {
        notice.removeAttribute("aria-labelledby");
        notice.setAttribute("aria-label", "Notice");
      }
    // A table that is wider than its place is scrolled by the keyboard too.
    const phone = matchMedia("(max-width: 640px)").matches;
    for (const table of document.querySelectorAll('[data-testid="stTable"] table')) {
      const place = table.parentElement;
      sized.observe(place);
      stack(table, place, phone);
      const wide = place.scrollWidth > place.clientWidth + 1;
      if (wide && place.tabIndex !== 0) {
        place.tabIndex = 0;
        place.setAttribute("role", "region");
        place.setAttribute("aria-label", table.getAttribute("aria-label") || "Table, wider than the screen");
      } else if (!wide && place.tabIndex === 0) {
        for (const name of ["tabindex", "role", "aria-label"]) place.removeAttribute(name);
      }
    }
  }
  // On a phone a table that is wider than the screen becomes a paragraph a row, each cell behind its column's name. Its
  // roles are said, since elements that are not laid out as a table lose them.
  function stack(table, place, phone) {
    if (!phone) {
      table.classList.remove("stacked");
      return;
    }
    if (!table.classList.contains("stacked") && place.scrollWidth <= place.clientWidth + 1) return;
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent);
    table.classList.add("stacked");
    table.setAttribute("role", "table");
    for (const part of table.querySelectorAll("thead, tbody")) part.setAttribute("role", "rowgroup");
    for (const row of table.querySelectorAll("tr")) row.setAttribute("role", "row");
    for (const head of table.querySelectorAll("thead th")) head.setAttribute("role", "columnheader");
    for (const row of table.querySelectorAll("tbody tr"))
      [...row.children].forEach((cell, at) => {
        cell.setAttribute("role", "cell");
        cell.setAttribute("data-head", at ? heads[at] || "" : "");
      });
  }
  // On a phone the list of pages lies over the page: who has chosen one wants to see it.
  document.addEventListener("click", (event) => {
    if (!matchMedia("(max-width: 768px)").matches) return;
    if (!event.target.closest?.('[data-testid="stSidebarNavLink"]')) return;
    setTimeout(() => document.querySelector('[data-testid="stSidebar"][data-collapsed="false"] [data-testid="stSidebarCollapseButton"] button')?.click(), 50);
  });
  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; mend(); }, 100);
  }
  // The list of pages that opens or closes makes a table's place narrower or wider, and no element comes or goes.
  const sized = new ResizeObserver(soon);
  new MutationObserver(soon).observe(document, { childList: true, subtree: true });
  addEventListener("resize", soon);
  soon();
})();
