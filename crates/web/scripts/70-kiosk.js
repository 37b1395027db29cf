// A patients' screen: whatever is pressed with, a press is a press. Some touch screens speak as a mouse, and some browsers
// (WPE WebKit's launcher of 2025) take each button of a mouse for another than the first. No menu opens either.
"use strict";

if (document.documentElement.classList.contains("kiosk")) {
  document.addEventListener("auxclick", (event) => {
    event.preventDefault();
    const pressed = event.target.closest("button, a");
    if (pressed) pressed.click();
  });
  document.addEventListener("contextmenu", (event) => event.preventDefault());
}
