// What helps to find one's way on a page: its contents where it is long, and a shade where a panel scrolls on.
(() => {
  "use strict";
  // ---- contents, from the headings
  const main = document.getElementById("main");
  const heads = [...main.querySelectorAll("h2")].filter((head) => head.offsetParent && !head.classList.contains("minor"));
  if (heads.length > 3 && main.scrollHeight > 3 * window.innerHeight && !main.querySelector(".contents, .walk-steps")) {
    const list = document.createElement("ol");
    for (const [i, head] of heads.entries()) {
      const anchor = head.closest("section[id]")?.querySelector("h2") === head ? head.closest("section[id]") : head;
      anchor.id ||= `part-${i + 1}`;
      const link = document.createElement("a");
      link.href = `#${anchor.id}`;
      link.textContent = head.textContent.trim();
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
    const nav = document.createElement("nav");
    nav.className = "contents";
    nav.setAttribute("aria-label", "On this page");
    nav.append(list);
    const top = main.querySelector("header.top, .hero");
    top ? top.after(nav) : main.prepend(nav);
    const links = [...list.querySelectorAll("a")];
    const seen = new IntersectionObserver(() => {
      const at = heads.filter((head) => head.getBoundingClientRect().top < window.innerHeight / 3).length - 1;
      links.forEach((link, i) => i === at ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
    }, { rootMargin: "0px 0px -66% 0px" });
    heads.forEach((head) => seen.observe(head));
  }

  // ---- panels that scroll
  const panels = [...document.querySelectorAll(".scroll, .wide, .examples, .plate, dialog ul")];
  const mark = (panel) => {
    const right = panel.scrollWidth - panel.clientWidth - panel.scrollLeft > 2;
    const below = panel.scrollHeight - panel.clientHeight - panel.scrollTop > 2;
    panel.classList.toggle("more-right", right);
    panel.classList.toggle("more-below", below);
  };
  const sized = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
  for (const panel of panels) {
    panel.addEventListener("scroll", () => mark(panel), { passive: true });
    panel.addEventListener("load", () => mark(panel), true);
    sized.observe(panel);
  }
})();
