// <trust-check worker scope good bad>: green only where this tablet really trusts the box: a certificate whose warning
// was clicked away gets pages, but no service worker. <offer-clock action>: tells a box without a clock the time;
// <offer-clock name> in a form sends it along with the form.
"use strict";

customElements.define("trust-check", class extends HTMLElement {
  async connectedCallback() {
    try {
      if (!window.isSecureContext || !navigator.serviceWorker) throw new Error("no worker here");
      const found = await navigator.serviceWorker.register(this.getAttribute("worker"), { scope: this.getAttribute("scope") });
      await found.unregister();
      this.show(true);
    } catch (fault) {
      this.show(false);
    }
  }

  show(good) {
    const line = this.querySelector(".trust");
    line.className = `trust ${good ? "trust-good" : "trust-bad"}`;
    line.querySelector(".trust-shape").textContent = good ? "●" : "■";
    line.querySelector(".trust-words").textContent = this.getAttribute(good ? "good" : "bad");
  }
});

customElements.define("offer-clock", class extends HTMLElement {
  connectedCallback() {
    const name = this.getAttribute("name");
    if (name) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      this.append(field);
      this.closest("form").addEventListener("submit", () => { field.value = String(Date.now()); });
      return;
    }
    clinic.send(this.getAttribute("action"), new URLSearchParams({ at: String(Date.now()) })).catch(() => {});
  }
});
