(() => {
  const root = document.documentElement;
  if (window.top === window.self) root.classList.add("own-window");
  // Fragments are followed by hand: in a frame without an address of its own the browser would leave the page.
  const show = (id) => {
    const target = id && document.getElementById(decodeURIComponent(id));
    if (!target) return false;
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView({ block: "start" });
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!show(link.getAttribute("href").slice(1))) return;
    event.preventDefault();
    try { history.replaceState(null, "", link.getAttribute("href")); } catch (error) { /* a sandboxed frame */ }
  });
  show(location.hash.slice(1));
  const links = new Map([...document.querySelectorAll(".layers a")].map((a) => [a.getAttribute("href").slice(1), a]));
  if (links.size && "IntersectionObserver" in window) {
    let current = null;
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        if (current) current.removeAttribute("aria-current");
        current = links.get(entry.target.id);
        current.setAttribute("aria-current", "true");
        const bar = current.closest(".layers");
        bar.scrollTo({
          top: current.offsetTop - bar.clientHeight / 2,
          left: current.offsetLeft - bar.clientWidth / 2,
        });
      }
    }, { rootMargin: "-15% 0px -75% 0px" });
    for (const id of links.keys()) {
      const target = document.getElementById(id);
      if (target) seen.observe(target);
    }
  }
})();
