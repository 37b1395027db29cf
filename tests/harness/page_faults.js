// Measures the page as it stands: sideways scroll, targets that are too small, too close or overlap, cut-off text.
// Returns one sentence a fault. arguments[0] = { target, main, gap, text }, all in px.
const { target, main, gap, text } = arguments[0];
const faults = [];
const root = document.documentElement;

const nameOf = (element) => {
  const classes = typeof element.className === "string" ? element.className.trim().split(/\s+/).join(".") : "";
  const words = (element.textContent || element.value || element.getAttribute("aria-label") || "").trim();
  return `${element.localName}${element.id ? `#${element.id}` : ""}${classes ? `.${classes}` : ""} "${words.slice(0, 24)}"`;
};
const isShown = (element) => {
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  return box.width > 1 && box.height > 1 && style.visibility !== "hidden" && !element.closest(".only-read, .skip")
    && element.checkVisibility();
};
const scrolls = (element) => ["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(element).overflowX);
const liesInScroller = (element) => {
  for (let up = element.parentElement; up && up !== document.body; up = up.parentElement) if (scrolls(up)) return true;
  return false;
};

if (root.scrollWidth > root.clientWidth + 1) {
  const wide = [...document.body.querySelectorAll("*")]
    .filter((one) => isShown(one) && one.getBoundingClientRect().right > root.clientWidth + 1 && !liesInScroller(one));
  const first = wide.length ? nameOf(wide[wide.length - 1]) : "?";
  faults.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}, by ${first}`);
}

// The rectangle that takes the touch: a label for its box, the whole row for a link that is stretched over it.
const touched = (element) => {
  const label = /^(radio|checkbox|file)$/.test(element.type || "") ? element.closest("label") : null;
  if (label) return label;
  for (const part of ["::after", "::before"]) {
    const style = getComputedStyle(element, part);
    if (style.content !== "none" && style.position === "absolute" && element.offsetParent) return element.offsetParent;
  }
  return element;
};
const isWordInText = (element) => element.localName === "a" && getComputedStyle(element).display === "inline"
  && element.parentElement.textContent.trim().length > element.textContent.trim().length;

const all = [...document.querySelectorAll("a[href], button, select, textarea, summary, input:not([type=hidden])")];
const floats = (one) => { for (let up = one; up && up !== document.body; up = up.parentElement) if (["sticky", "fixed"].includes(getComputedStyle(up).position)) return true; return false; };
const targets = [...new Set(all.filter((one) => isShown(one) && !isWordInText(one)).map(touched))].filter(isShown);
for (const one of targets) {
  const box = one.getBoundingClientRect();
  const least = one.matches(".button-go") ? main : target;
  if (box.width < least - 0.5 || box.height < least - 0.5) {
    faults.push(`target of ${Math.round(box.width)} x ${Math.round(box.height)}: ${nameOf(one)}`);
  }
}
for (let at = 0; at < targets.length; at += 1) {
  for (let other = at + 1; other < targets.length; other += 1) {
    const [one, two] = [targets[at], targets[other]];
    if (one.contains(two) || two.contains(one) || floats(one) !== floats(two)) continue;
    const [a, b] = [one.getBoundingClientRect(), two.getBoundingClientRect()];
    const across = Math.max(a.left - b.right, b.left - a.right);
    const down = Math.max(a.top - b.bottom, b.top - a.bottom);
    if (across < -1 && down < -1) faults.push(`overlap: ${nameOf(one)} and ${nameOf(two)}`);
    // Lines of a list are a target each over the whole width: between them stands a line, not a gap.
    else if (Math.max(across, down) < gap - 0.5 && !(a.width > 400 && b.width > 400)) {
      faults.push(`only ${Math.round(Math.max(across, down))} px between ${nameOf(one)} and ${nameOf(two)}`);
    }
  }
}

for (const one of document.body.querySelectorAll("*")) {
  const style = getComputedStyle(one);
  const cuts = style.textOverflow === "ellipsis" || (style.overflowX === "hidden" && style.whiteSpace === "nowrap");
  if (cuts && one.scrollWidth > one.clientWidth + 1 && isShown(one)) faults.push(`cut off: ${nameOf(one)}`);
}

const size = parseFloat(getComputedStyle(document.body).fontSize);
if (size < text - 0.5) faults.push(`ordinary text of ${size} px`);
const value = document.querySelector(".kiosk-value strong");
if (value && parseFloat(getComputedStyle(value).fontSize) < 72) faults.push("a reading smaller than 72 px");
if (document.body.innerText.includes("\u27e6")) faults.push("a text is missing");
if (document.querySelectorAll("h1").length !== 1) faults.push(`${document.querySelectorAll("h1").length} first headings`);
return faults;
