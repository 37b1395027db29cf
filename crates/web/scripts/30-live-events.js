// <live-events src="/events" ping="/ping">: what changes at the box, told to this page as "live-NAME" events at the
// body. One stream a browser: the tab that holds a lock listens and tells the others. Without locks or streams
// "live-tick" comes every 15 s and parts of the page renew themselves. Events carry no personal data.
"use strict";

customElements.define("live-events", class extends HTMLElement {
  static get names() { return ["sync", "tray", "bay", "today", "patient", "ecg"]; }
  static get tick() { return 15000; }
  static get silence() { return 40000; }

  connectedCallback() {
    this.src = this.getAttribute("src");
    this.heard = performance.now();
    this.channel = clinic.channel(`live:${this.src}`);
    this.channel.onmessage = (message) => this.tell(message.data);
    this.timer = setInterval(() => this.watch(), this.constructor.tick);
    this.news = 0;
    this.asked = new WeakMap();
    this.onRequest = (event) => { if (event.detail.ctx) this.asked.set(event.detail.ctx, this.news); };
    this.onAnswered = (event) => this.catchUp(event.detail.ctx);
    document.addEventListener("htmx:before:request", this.onRequest);
    document.addEventListener("htmx:finally:request", this.onAnswered);
    if (navigator.locks && window.EventSource && "BroadcastChannel" in window) {
      this.stop = new AbortController();
      navigator.locks.request(`live:${this.src}`, { signal: this.stop.signal }, () => this.listen()).catch(() => {});
    }
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    clearTimeout(this.late);
    document.removeEventListener("htmx:before:request", this.onRequest);
    document.removeEventListener("htmx:finally:request", this.onAnswered);
    if (this.stop) this.stop.abort();
    if (this.release) this.release();
    this.channel.close();
  }

  /** Listens until the page goes; the lock is held as long as this promise is open. */
  listen() {
    return new Promise((release) => {
      let source;
      const pass = (message) => { this.tell(message); this.channel.postMessage(message); };
      const open = () => {
        source = new EventSource(this.src);
        source.onopen = () => pass({ name: "open" });
        source.addEventListener("still-here", () => pass({ name: "still-here" }));
        for (const name of this.constructor.names) {
          source.addEventListener(name, (event) => pass({ name, data: event.data }));
        }
        source.onerror = () => {
          // The browser tries again by itself unless the box refused.
          if (source.readyState === EventSource.CLOSED) this.again = setTimeout(open, 5000);
        };
      };
      open();
      this.release = () => { clearTimeout(this.again); source.close(); release(); };
    });
  }

  tell(message) {
    this.heard = performance.now();
    this.reached(true);
    if (message.name === "still-here") return;
    if (message.name === "open") {
      // What happened while nobody listened is not known: renew once.
      document.body.dispatchEvent(new CustomEvent("live-tick"));
      return;
    }
    this.news += 1;
    let detail = null;
    try { detail = message.data ? JSON.parse(message.data) : null; } catch (fault) { detail = null; }
    document.body.dispatchEvent(new CustomEvent(`live-${message.name}`, { detail }));
    // Parts of pages that are about one patient or one bay listen to that one only.
    const about = detail && (detail.patient || detail.bay);
    if (about !== null && about !== undefined) {
      document.body.dispatchEvent(new CustomEvent(`live-${message.name}-${about}`, { detail }));
    }
  }

  /**
   * News that came while a part was taking its answer in went to the part that was on its way out: what they made it ask
   * for comes to nobody. The parts are asked once more; where nothing is new the answer is empty.
   */
  catchUp(request) {
    if (!request || this.asked.get(request) === this.news || this.late) return;
    this.late = setTimeout(() => {
      this.late = undefined;
      document.body.dispatchEvent(new CustomEvent("live-tick"));
    });
  }

  async watch() {
    if (performance.now() - this.heard < this.constructor.silence) return;
    try {
      const answer = await fetch(this.getAttribute("ping"), { cache: "no-store" });
      this.reached(answer.ok);
      if (answer.ok) document.body.dispatchEvent(new CustomEvent("live-tick"));
    } catch (fault) {
      this.reached(false);
    }
  }

  reached(yes) {
    const strip = document.getElementById("lost");
    if (strip && strip.hidden !== yes) strip.hidden = yes;
  }
});
