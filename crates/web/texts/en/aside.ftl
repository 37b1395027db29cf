# Changes that were not taken

aside-title = Changes not taken
aside-none = Nothing is set aside
aside-back = Back
aside-show = See each one
aside-about-box = The county did not take these, so they do not stand in the record. Their text is kept on this box.
aside-about-hub = Clinics sent these, but they do not stand in the record. They are kept and tried again when the reason is gone.
aside-heard = Heard of
aside-written = Written
aside-clinic = Clinic
aside-why = Why
aside-do = What to do
aside-text = What it said
aside-malformed = Its form is wrong: it cannot be read
aside-malformed-do = Tell a technician, it may be a fault of the program. Write what is needed once more.
aside-wrong-actor = The device that wrote it does not fit its number
aside-not-allowed = This clinic may not change this record
aside-not-allowed-do = The county adds the resident to that clinic; then it is tried again by itself.
aside-spoiled = Another change has its number
aside-again-do = Nothing to do: the box writes it again under another number.
aside-builds-on = It builds on another change that is set aside
aside-builds-on-do = It is tried again once that one is settled.
aside-revoked = The box had been revoked before it wrote this
aside-revoked-do = The county finds out why; if it should, the box joins again and the content is written once more.
aside-id-taken = Its record number belongs to another record
aside-newer = Content that only a newer release knows
aside-newer-do = It is taken by itself after the update.
aside-unknown = A reason of a newer release (number { $number })
doc-chart = Resident's record
doc-encounter = Visit
doc-series = Readings
doc-request = Consult or referral
doc-link = One-person link
doc-clinic = Clinic's data
doc-newer = A record of a newer release
refused-n = { $n ->
    [one] 1 change
   *[other] { $n } changes
}
