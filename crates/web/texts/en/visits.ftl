# Visits

visit-list-none = No visits yet
today-none = Nobody has come today
visit-title = Visit
visit-state-open = being written
visit-state-signed = signed
visit-state-imported = imported
visit-source = from { $source }
visit-signed-by = Signed by { $name } at { $at }
visit-amendment = Amendment
visit-amendment-reason = Reason
visit-triage = Triage
visit-level = Level
visit-triage-reason = Reason
visit-triage-hint = For example: chest pain for 30 minutes, fast breathing
visit-notes = Notes
visit-complaint = Complaint
visit-history = History
visit-examination = Examination
visit-diagnoses = Diagnoses
visit-diagnosis-find = Add a diagnosis
visit-diagnosis-hint = Type a name, pinyin initials or a code, such as gxy
visit-diagnosis-own = In your own words: { $words }
visit-certainty = Certainty
visit-advice = Advice
