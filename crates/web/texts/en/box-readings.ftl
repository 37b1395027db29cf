# Readings

reading-surface = Surface temperature
staff-unknown = Unknown person
typed-bp-hint = Such as 138/86, or with the pulse 138/86/77
typed-glucose-timing = Glucose taken
typed-nothing = Enter at least one reading
withdraw-title = Mark as entered in error
withdraw-about = The reading will be struck through; it stays readable with your name and reason.
withdraw-hint = Such as cuff loose, wrong person
withdraw-do = Mark as error
critical-do = Saved. Act now: measure again, start a visit; if needed call 120 and the county hospital.
critical-repeat = Measure again
critical-visit = Start a visit
critical-seen = Dealt with; back to the resident
