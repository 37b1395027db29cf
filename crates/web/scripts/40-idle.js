// <idle-lock>: locks all tabs of this browser after some time without touch. <kiosk-idle>: asks whether somebody is
// there, then clears the screen and every field. <undo-toast>: an offer to undo that goes after its time.
"use strict";

const TOUCHES = ["pointerdown", "keydown", "input", "wheel", "touchstart"];

customElements.define("idle-lock", class extends HTMLElement {
  connectedCallback() {
    this.limit = Number(this.getAttribute("after")) * 1000;
    this.last = Date.now();
    this.told = Date.now();
    this.channel = clinic.channel("idle-lock");
    this.channel.onmessage = (message) => {
      if (message.data === "lock") this.leave();
      else this.last = Date.now();
    };
    this.onTouch = () => this.touched();
    for (const name of TOUCHES) document.addEventListener(name, this.onTouch, { passive: true, capture: true });
    // A tablet that slept learns of the time that passed when it wakes: cover first, then ask.
    this.onWake = () => { if (!document.hidden) this.check(); };
    document.addEventListener("visibilitychange", this.onWake);
    this.timer = setInterval(() => this.check(), 5000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    for (const name of TOUCHES) document.removeEventListener(name, this.onTouch, { capture: true });
    document.removeEventListener("visibilitychange", this.onWake);
    this.channel.close();
  }

  touched() {
    const now = Date.now();
    if (now - this.last > this.limit) return this.check();
    this.last = now;
    if (now - this.told > 60000) {
      this.told = now;
      this.channel.postMessage("touch");
      clinic.send(this.getAttribute("awake")).catch(() => {});
    }
  }

  async check() {
    if (this.leaving || Date.now() - this.last < this.limit) return;
    document.documentElement.classList.add("veiled");
    this.leaving = true;
    // The draft is on its way already; redirect: "manual" makes the lock's own redirect count as an answer.
    await fetch(this.getAttribute("lock"), { method: "POST", redirect: "manual", credentials: "same-origin" }).catch(() => {});
    this.channel.postMessage("lock");
    this.leave();
  }

  leave() {
    document.documentElement.classList.add("veiled");
    const here = location.pathname + location.search;
    location.replace(`/unlock?next=${encodeURIComponent(here)}`);
  }
});

customElements.define("kiosk-idle", class extends HTMLElement {
  connectedCallback() {
    this.after = Number(this.getAttribute("after")) * 1000;
    this.bar = Number(this.getAttribute("bar")) * 1000;
    this.box = this.querySelector(".kiosk-still");
    this.progress = this.querySelector("progress");
    this.last = Date.now();
    this.onTouch = () => this.touched();
    for (const name of TOUCHES) document.addEventListener(name, this.onTouch, { passive: true, capture: true });
    // A running measurement counts as being there.
    this.onBay = () => { if (this.box.hidden) this.last = Date.now(); };
    document.body.addEventListener("live-bay", this.onBay);
    this.timer = setInterval(() => this.check(), 500);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    for (const name of TOUCHES) document.removeEventListener(name, this.onTouch, { capture: true });
    document.body.removeEventListener("live-bay", this.onBay);
  }

  touched() {
    this.last = Date.now();
    this.box.hidden = true;
  }

  check() {
    const idle = Date.now() - this.last;
    if (idle < this.after || this.leaving) return;
    if (this.box.hidden) {
      this.box.hidden = false;
      const stay = this.box.querySelector("[data-stay]");
      if (stay) stay.focus();
    }
    this.progress.value = Math.max(0, (this.after + this.bar - idle) / 1000);
    if (idle >= this.after + this.bar) this.clear();
  }

  async clear() {
    this.leaving = true;
    document.documentElement.classList.add("veiled");
    for (const form of document.forms) form.reset();
    await fetch(this.getAttribute("clear"), { method: "POST", redirect: "manual" }).catch(() => {});
    location.replace("/kiosk");
  }
});

customElements.define("undo-toast", class extends HTMLElement {
  connectedCallback() {
    this.timer = setTimeout(() => this.remove(), Number(this.getAttribute("seconds")) * 1000);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
  }
});

// After a refused form the summary takes the focus, also where a script put it into the page.
document.addEventListener("htmx:after:swap", () => {
  const summary = document.querySelector(".summary[tabindex]:not([data-seen])");
  if (summary) { summary.dataset.seen = ""; summary.focus(); }
});
