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
person-page-title = Resident
vitals-title = Vital signs
trends-title = Trends
readings-all = All readings
visits-title = Visits
visits-more = All visits
allergies-title = Allergies
problems-title = Problems
drugs-title = Long-term medication
drug-line-dose = DOSE
drug-stop = Stop
facts-title = Details
nothing-noted = Nothing noted
edit = Edit
remove = Remove

flag-normal = normal
flag-low = low
flag-high = high
flag-critical-low = critically low
flag-critical-high = critically high
flag-beyond-low = far too low
flag-beyond-high = far too high

no-value-cuff-loose = cuff loose
no-value-lead-off = poor contact
no-value-device-silent = device silent
no-value-declined = declined
no-value-out-of-range = beyond the device's range
no-value-device-error = device error
reading-not-read = record cannot be read
from-typed = typed
from-kiosk = kiosk
from-imported = imported
reading-pulse = pulse { $n } /min
band-label = Normal, { $group }: { $low }–{ $high }
problem-since = since { $since }
allergy-refuted = refuted: { $reason }
drug-stopped = stopped
