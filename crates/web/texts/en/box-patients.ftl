# Residents: finding, registering, charts

list-first = Back to the start
list-next = Next page

register-title = Register a resident
register-do = Register
register-card = An ID card lies on the reader
register-card-do = Register by ID card
register-card-known = This resident is registered already
register-card-none = Lay the ID card on the reader to register in one step.
register-card-gone = The card was taken away. Lay it on the reader again
register-allergies-not = Not asked
register-allergies-none = None known
register-allergies-known = Has allergies
register-allergy-agent = Allergic to
register-allergy-hint = For example penicillin; separate several by commas
register-twin = This person may be registered already
register-twin-open = It is this person: open the record
register-twin-other = Another person: register
register-unverified = ID number not verified

patient-visit = Visit
patient-measure = Measure
patient-type-reading = Type a reading
patient-audit = Access log
patient-address = Address
patient-family-doctor = Family doctor
patient-householder = Householder
back-to-patient = Back to the resident
allergies-unreadable-do = The record is damaged or has not arrived. Ask again before prescribing.

demographics-title = Change details

chart-title = Allergies, problems and medication
allergy-add = Add an allergy
allergy-refute = Refute
allergy-none-known = Asked: none known
allergy-refuted-by = Refuted:
problem-find = Find a diagnosis: name, pinyin initials or code
problem-add = Add a problem
problem-end = End
problem-ended = Ended:
drug-add = Add a medicine
