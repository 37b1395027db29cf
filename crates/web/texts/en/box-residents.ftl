# Resident lists

residents-out = Out
residents-out-about = The list of all residents, for a spreadsheet. It holds ID and phone numbers: keep it safe.
residents-out-do = Download the list
residents-in = In
residents-in-about = The first line names the columns, at least 姓名 or name; also sex, birth date, ID number, phone, town, village, group, house, archive number. Residents who are registered are not doubled.
residents-file = List file (CSV)
residents-file-hint = Save as CSV from the spreadsheet; GBK or UTF-8
residents-take = Take in
residents-no-file = Choose the list file
residents-taken = { $new } registered, { $known } known already
residents-faults = { $n ->
    [one] 1 thing to check:
   *[other] { $n } things to check:
}
residents-line = Line { $line }
line-no-name = No name; the line was not taken
line-spoilt-number = The spreadsheet spoilt the ID number; the number was not taken
line-unverified-number = The ID number fails its check; saved as not verified
line-bad-birth = The birth date is no date; it was not taken
line-contradiction = Sex or birth date contradict the ID number, which was taken
line-unknown-sex = The sex is not understood
line-spoilt-phone = The spreadsheet spoilt the phone number; it was not taken
line-bad-field = A field is too long or has control characters; the line was not taken
list-too-large = The file is larger than 16 MB. Split it
list-too-many = More than 100,000 lines. Split the file
list-not-text = The file is no text in GBK or UTF-8. Save it as CSV
list-no-name-column = No column is called 姓名 or name
