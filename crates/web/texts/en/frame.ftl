# Frame of the pages: navigation, status light, days, errors

skip-to-content = Skip to content
nav-label = Main menu
language-other = 中文
lock-now = Lock screen
sign-out = Sign out
lost-box = The clinic box does not answer; this page may be out of date. Check the Wi-Fi. What you typed stays on this page.
title-faulty = Error: { $title }

light-synced = In sync
light-synced-at = In sync { $at }
light-sending = { $n ->
    [one] Sending 1 item
   *[other] Sending { $n } items
}
light-unreached = { $n ->
    [one] County not reached, 1 item kept here
   *[other] County not reached, { $n } items kept here
}
light-alone = { $n ->
    [one] Not joined to a county, 1 item kept here
   *[other] Not joined to a county, { $n } items kept here
}
light-person = { $n ->
    [one] 1 item needs attention
   *[other] { $n } items need attention
}
light-fleet = { $heard } of { $enrolled } clinics heard from

day-this-year = { $weekday } { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[other] Dec
}
day-with-year = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[other] Dec
} { $year }
when-with-age = { $when } ({ $age })
day-today = today
day-yesterday = yesterday
weekday-mon = Mon
weekday-tue = Tue
weekday-wed = Wed
weekday-thu = Thu
weekday-fri = Fri
weekday-sat = Sat
weekday-sun = Sun
ago-days = { $n ->
    [one] 1 day ago
   *[other] { $n } days ago
}
ago-months = { $n ->
    [one] 1 month ago
   *[other] { $n } months ago
}
ago-years = { $n ->
    [one] 1 year ago
   *[other] { $n } years ago
}
age-years = { $n } y
age-months = { $n } months
age-days = { $n ->
    [one] 1 day
   *[other] { $n } days
}

kiosk-call = Call the doctor
kiosk-still-there = Are you still there?
kiosk-stay = Yes, I am here

trouble-home = Back to the front page
trouble-number = Error number
trouble-not-found = There is no such page
trouble-not-found-do = The address may be wrong, or the record has moved. Start again from the front page.
trouble-forbidden = Your role does not allow this
trouble-forbidden-do = This task is outside your role. Ask the person in charge of this clinic.
trouble-sign-in = Please sign in
trouble-sign-in-do = The session has ended; drafts are kept. Sign in again to go on.
trouble-foreign-site = Request refused
trouble-foreign-site-do = The request came from another site and was not carried out. Work directly on the pages of this system.
trouble-unreadable = What was sent cannot be read
trouble-unreadable-do = Nothing was saved. Go back, check the entries and send again.
trouble-too-large = Too much was sent
trouble-too-large-do = Nothing was saved. Split the file and send again.
trouble-too-many = Too many tries
trouble-too-many-do = { $n ->
    [one] Try again in 1 second.
   *[other] Try again in { $n } seconds.
}
trouble-too-slow = It took too long
trouble-too-slow-do = The box is busy. Wait a moment and look whether it was saved before trying again.
trouble-disk-full = Storage is full, nothing was saved
trouble-disk-full-do = This entry was not saved. Keep this page open, call the technician to make room, then save again.
trouble-read-only = The storage takes no writes, nothing was saved
trouble-read-only-do = This entry was not saved. Write it on paper and call the technician to change the card now.
trouble-stale = Somebody has just changed this record
trouble-stale-do = Reload the page to see the latest state, then add your change.
trouble-broken = Something broke in the system
trouble-broken-do = This is our fault, not yours. Go back and try again; if it returns, tell the technician the error number.
