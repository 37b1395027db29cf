# Pages of the box: navigation, sign-in, more

nav-today = Today
nav-patients = Residents
nav-bays = Devices
nav-tray = Unclaimed
nav-more = More
place-unnamed = Clinic box

sign-in-no-user = Enter your name or staff number
sign-in-no-password = Enter your password
sign-in-wrong = Name or password is wrong. Try again
sign-in-wrong-left = { $n ->
    [one] Wrong. 1 try is left
   *[other] Wrong. { $n } tries are left
}
sign-in-locked = { $n ->
    [one] Too many wrong tries: locked for 1 more minute. Wait, or ask the clinic administrator for a new password
   *[other] Too many wrong tries: locked for { $n } more minutes. Wait, or ask the clinic administrator for a new password
}
unlock-wrong = Wrong PIN. Try again

more-title = More
more-status = Link and queue
more-status-about = What waits, why, last contact
more-staff = Staff and roles
more-staff-about = Add, suspend, give new passwords
more-audit = Audit log
more-audit-about = Who saw and changed whose record
more-residents = Resident lists
more-residents-about = In from a spreadsheet, or out to one
more-tablets = Set up a tablet
more-tablets-about = Wi-Fi, certificate, check page
more-account = My password and PIN
more-account-about = Change how you sign in and unlock
more-help = Help and versions
more-help-about = How to use it, version numbers, fingerprint

help-title = Help and versions
help-find = Find a resident
help-find-do = On "Residents" type a name, pinyin initials (such as wxy), any part of the ID number or the end of the phone number; a scanner works too.
help-register = Register a new resident
help-register-do = Lay the ID card on the reader and press "Register by ID card", or fill in the form. A number that fails its check can still be saved and is marked "not verified".
help-measure = Measure
help-measure-do = On the resident's page press "Measure", choose the device, then let the measurement begin. The result appears by itself.
help-visit = Visits and signing
help-visit-do = What you type is kept as a draft, "Save" puts it into the record, "Sign" freezes it; after that only amendments are possible.
help-tray = Unclaimed readings
help-tray-do = Readings whose owner is not certain wait under "Unclaimed". Claiming one needs two identifiers and can be taken back.
help-offline = Without a network
help-offline-do = Work goes on as usual. Everything is kept on this box and sent when the link is back; the light at the top says how much waits.
help-versions = Versions
help-program = Program
help-tables = Code tables
help-clinic = Clinic code
help-device = Device number
help-words = Fingerprint
help-licence = Licence
