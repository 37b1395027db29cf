// arguments[0] = "list": what on this page can be used, each by a name; "focus": what has the focus now.
const usable = [...document.querySelectorAll("a[href], button, select, textarea, summary, input:not([type=hidden]), [tabindex='0']")]
  .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true }));
const nameOf = (one) => {
  const words = (one.innerText || one.getAttribute("aria-label") || one.name || "").trim().slice(0, 24);
  return `${one.localName} ${usable.indexOf(one)} "${words}"`;
};
if (arguments[0] === "list") {
  // Of a group of radio buttons the keyboard reaches one, then the arrows.
  const groups = new Set();
  return usable.filter((one) => {
    if (one.type !== "radio") return true;
    const chosen = document.querySelector(`input[name="${one.name}"]:checked`);
    if (groups.has(one.name) || (chosen && chosen !== one)) return false;
    groups.add(one.name);
    return true;
  }).map(nameOf);
}
const one = document.activeElement;
if (!one || one === document.body) return { name: null, covered: false, bare: false };
const box = one.getBoundingClientRect();
const top = document.elementFromPoint(box.left + Math.min(box.width / 2, 20), box.top + box.height / 2);
const label = one.closest("label");
const covered = Boolean(top) && !one.contains(top) && !top.contains(one) && !(label && label.contains(top));
const drawn = (element) => {
  const style = getComputedStyle(element);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
};
const bare = ![one, one.nextElementSibling, one.parentElement].some((element) => element && drawn(element));
return { name: nameOf(one), covered, bare };
