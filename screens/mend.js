// What Streamlit's own elements lack for people who use a keyboard or a screen reader (seen with axe, Streamlit 1.67).
"use strict";
(() => {
  function mend() {
    // A drop zone has a name, and "presentation" says that it has none.
    for (const zone of document.querySelectorAll('[data-testid="stFileUploaderDropzone"][role="presentation"]'))
      zone.setAttribute("role", "group");
    // A table that is wider than its place is scrolled by the keyboard too.
    for (const table of document.querySelectorAll('[data-testid="stTable"] table')) {
      const place = table.parentElement;
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
  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; mend(); }, 100);
  }
  new MutationObserver(soon).observe(document, { childList: true, subtree: true });
  addEventListener("resize", soon);
  soon();
})();
