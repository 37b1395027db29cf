# Residents: banner, vital signs, lists

unknown = Unknown
banner-label = Current resident
banner-name = Name
banner-birth = Born
banner-sex = Sex
banner-archive = Health archive no.
banner-id-tail = ID ends in
banner-died = Died
banner-died-age = aged { $age }
banner-died-unknown = date unknown
banner-clash = Two records of this identity differ; check first
allergies-known = Allergies
allergies-none = No known allergies
allergies-not-asked = Allergies not asked
allergies-unreadable = Allergies cannot be read

mark-low = low
mark-high = high
mark-critical-low = critically low
mark-critical-high = critically high
mark-below-instrument = below range
mark-above-instrument = above range
vitals-none = No readings yet
vitals-before = Before
clock-doubtful = clock not set
column-what = What
column-origin = Origin
column-act = Action
withdraw = Mark as error

search-label = Find a resident
search-hint = Name, pinyin initials, ID number, end of phone
search-go = Search
search-found = { $n ->
    [one] 1 found
   *[other] { $n } found
}
search-nobody = Nobody found for “{ $query }”
search-more = Many results; type a little more
patients-none = No residents yet
phone-tail = phone ends in
clash-short = to check
on-todays-list = here today
last-visit = last visit
person-sex-unknown = sex unknown
person-age-unknown = age unknown
patient-title = Resident
vitals-title = Vital signs
trends-title = Trends
readings-all = All readings
visits-title = Visits
visits-more = All visits
allergies-title = Allergies
problems-title = Problems
drugs-title = Long-term medication
drug-dose = DOSE
drug-stop = Stop
facts-title = Details
nothing-noted = Nothing noted
edit = Edit
remove = Remove
