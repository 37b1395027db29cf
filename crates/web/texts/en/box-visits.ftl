# Visits

visit-save = Save
visit-sign = Sign
visit-saved = Saved at the clinic { $at }
visit-merged = This visit was saved elsewhere too
visit-merged-do = What both wrote is kept and stands together below. Check it; where the same field differs, choose one, then sign.
visit-certainty-none = Not stated
visit-closed-meanwhile = This visit has been signed; what you typed was not saved
visit-closed-meanwhile-do = A signed visit is not changed. What you typed differently stands in the amendment below; check it, give a reason and submit.
visit-late = Written elsewhere before the signature, arrived late
visit-amend = Add the amendment
visit-amend-title = Amend
visit-amend-about = The record stays as it is; the amendment is added with your name, time and reason.
visit-clash-first = One field has two versions. Choose one before signing
