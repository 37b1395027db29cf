// One way of sending for all elements, so that each asks the box itself and none trusts the browser's online flag.
"use strict";

const clinic = {
  /** Sends a form's fields; resolves to the answer, rejects where the box does not answer or refuses. */
  async send(address, fields, options = {}) {
    const answer = await fetch(address, {
      method: "POST",
      body: fields || new URLSearchParams(),
      credentials: "same-origin",
      redirect: "manual",
      ...options,
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer;
  },

  /** The fields of a form as they would be submitted, files left out. */
  fieldsOf(form) {
    const fields = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (typeof value === "string") fields.append(name, value);
    }
    return fields;
  },

  /** A channel between the tabs of one browser, or one that nobody hears. */
  channel(name) {
    return "BroadcastChannel" in window ? new BroadcastChannel(name) : { postMessage() {}, close() {} };
  },
};

// A page that the browser kept in memory shows nothing until the box has sent it again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    document.documentElement.classList.add("veiled");
    location.reload();
  }
});

// A second press of the same button sends nothing; the form's id makes the rest sure at the box.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "get" || form.target) return;
  if (form.dataset.sent === "yes") {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  if (event.submitter) event.submitter.setAttribute("aria-busy", "true");
  // A download or an answer 204 leaves the page standing: after a while the button works again.
  setTimeout(() => {
    delete form.dataset.sent;
    if (event.submitter) event.submitter.removeAttribute("aria-busy");
  }, 8000);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
