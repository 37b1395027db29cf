# Alarms: what happened, what to do, who can do it

alarm-who = For { $who }
alarm-who-technician = the technician
alarm-who-county = the county's administrator
alarm-reference = ref. { $text }
alarm-settle = Seen to

alarm-damaged = The database was damaged and set aside; a new, empty one is in use
alarm-damaged-do = Do not format the card or delete the file that was set aside: it may hold records that never left. Restore the latest backup; the other end of the link sends the rest again.
alarm-repaired = The database was damaged; all records could be read and are in a new one
alarm-repaired-do = The card may be failing: make a backup first, then change the card.
alarm-salvaged = The database was damaged; all records that could be read are saved, the damaged file is set aside
alarm-salvaged-do = What is missing comes again from the other side once it is connected. The card may be failing: make a backup, then change it.
alarm-suspect = Records in the database are damaged; everything else goes on
alarm-suspect-do = Make a backup, then start again: the start saves all records that can be read.
alarm-rebuilt = A list or an index of the database was damaged and has been built again; no record was lost
alarm-rebuilt-do = The card may be failing: make a backup, then change it.
alarm-disk-full = The disk is full: nothing new can be saved
alarm-disk-full-do = Keep the page with what you typed open. Make room or fit a larger card, then save.
alarm-disk-low = Little space is left
alarm-disk-low-do = Saving still works. Make room or fit a larger card before the disk is full.
alarm-read-only = The card takes no writes
alarm-read-only-do = Nothing can be saved now: write on paper. Check the card; change it and restore the backup if needed.
alarm-clone = Two machines use one identity
alarm-clone-do = What both wrote was taken, nothing is lost. Find out which one is the copy; stop it or enrol it anew.
alarm-spoiled = Two machines wrote records under one identity
alarm-spoiled-do = Nothing is lost: the records were written again under new numbers. Find out whether a card was copied, or an old machine went on after a restore; keep one only.
alarm-differs = This machine and the county hold different things
alarm-differs-do = They are being compared and sent again; this line goes once they agree. If it stands for a day, call a technician.
alarm-parked = Changes were not taken and are set aside
alarm-parked-do = Nothing is lost. Open the list to see each one and why.
alarm-blob-store = The store of recordings and pictures cannot be reached
alarm-blob-store-do = Nothing is lost: new ones wait in the database. Check the store and the line to it; this goes away once it answers.
alarm-blob-lost = A recording or picture is missing in its store, or damaged
alarm-blob-lost-do = It is shown nowhere until it is there again. Run verify for the list and bring it back from the store's backup.
alarm-other = An alarm that this release does not know: { $word }
alarm-other-do = A newer release explains it. Tell the technician this word.
