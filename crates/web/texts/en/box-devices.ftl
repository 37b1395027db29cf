# Device bays, unclaimed readings

device-blood-pressure = Blood pressure monitor
device-ecg = ECG recorder
device-id-card = ID card reader
device-surface-thermometer = Thermometer
link-connected = Connected
link-silent = { $n ->
    [one] No data for 1 second
   *[other] No data for { $n } seconds
}
link-gone = Not connected
link-busy = In use by another program
link-busy-by = In use by { $program }
link-ambiguous = Several equal adapters: cannot tell which
link-denied = Not allowed to open the port
link-unusable = The port cannot be used
bays-none = No devices are set up
bays-none-do = A technician adds devices to the settings file; readings can also be typed.
bays-all = All devices
bay-session-of = In use for
bay-idle = Free
bay-waiting = Waiting for the measurement
bay-measuring = { $n ->
    [one] Measuring for 1 second
   *[other] Measuring for { $n } seconds
}
bay-watching = Showing the trace
bay-recording = Recording { $n }%
bay-in-use = In use; measuring here ends the wait of the person before.
bay-other-person = The device is waiting for another person now
bay-opened-by-card = By ID card:
bay-opened-by-doctor = Chosen by a doctor:
bay-start-at-device = Press the start key on the device. The result appears here by itself.
bay-start-here = When ready press "Start". The result appears here by itself.
bay-start-ecg = Attach the electrodes; when the trace is steady press "Record". It takes about 10 seconds.
bay-start = Start
bay-record = Record
bay-watch = Show the trace
bay-stop = Stop
bay-end = End the wait
bay-open-again = Measure for this resident
bay-result-saved = Saved in the record
bay-result-tray = A result was attached to nobody
bay-result-tray-do = It is not certain whose it is; it waits under "Unclaimed".
bay-log = Device log
bay-log-about = Also what is no reading: out of range, errors, incomplete data.
bay-log-none = Nothing logged yet
bay-log-what = What
bay-log-detail = Details
renew = Renew
measure-title = Choose a device
measure-here = Measure here
refused-no-bay = There is no such device
refused-not-for-patients = This device measures nobody
refused-not-connected = The device is not connected. Check power and cable
refused-at-device = This device is started at the device only
refused-no-session = The wait has ended. Choose the resident again
refused-busy = The device is busy. Try again in a moment
result-normal = Normal
result-high = High
result-low = Low
result-critical = Critical: act now
result-recorded = Recorded
log-opened = Opened
log-closed = Closed
log-started = Started
log-stopped = Stopped
log-reading = Reading
log-recording = ECG recording
log-out-of-range = Out of range, not a reading
log-device-error = Device error
log-reject = Incomplete data, discarded
log-card = ID card
log-doctor = Doctor
log-attached = Attached
log-finished = Finished
log-replaced = Another person
log-card-lifted = Card taken away
log-timed-out = Timed out
log-ended = Ended by hand
log-device-gone = Device gone
log-silent = No data

screens-title = Kiosk screens
screens-about = Sign in at the browser that shall be a kiosk, then press the button. It is signed out there and shows the kiosk page only.
screens-pair = Make this screen a kiosk ({ $reader })
screens-forget = { $n ->
    [one] Unpair 1 kiosk screen
   *[other] Unpair { $n } kiosk screens
}

tray-title = Unclaimed readings
tray-about = Readings whose owner is not certain wait here; none is lost. Claiming one needs two identifiers.
tray-empty = Nothing is unclaimed
tray-claimed = Claimed (can be given back)
tray-claimed-by = Claimed by { $name }, { $at }
tray-dismissed = Dismissed
tray-dismissed-now = Dismissed
tray-dismiss = Belongs to nobody: dismiss
tray-restore = Restore
tray-why = Why:
tray-subject = Number on the device:
tray-reason-no-session = No resident was chosen when it came
tray-reason-too-early = Came too soon after the resident was chosen; may belong to the one before
tray-reason-too-soon = Came too soon after the result before it
tray-reason-begun-before = The measurement had begun before the resident was chosen
tray-reason-other-subject = The device names somebody else
tray-reason-from-memory = Out of the device's memory
tray-reason-person-before = The person before had just left; it may be theirs
tray-reason-record-refused = The record did not take it
tray-reason-taken-locked = Taken while the data were locked: see whose it is and of which day
tray-reason-unknown = Unknown reason
tray-find = Whose reading is this?
tray-find-about = Find the resident first, then check two identifiers.
tray-claim = Check the identity
tray-claim-for = Claim for
tray-claim-about = Ask the person or look at the card, and fill in at least two. They must agree with the record.
tray-id-name = Name
tray-id-birth = Date of birth
tray-id-number = Last four of the ID number
tray-id-phone = Last four of the phone number
tray-claim-do = Claim
tray-two-identifiers = Fill in at least two identifiers
tray-not-this-person = The identifiers do not agree with this resident's record; not claimed
tray-no-patient = There is no such resident
tray-moved = This reading has been dealt with
tray-no-clinic = The clinic is not set up yet
tray-return = Give a reading back
tray-return-about = The reading in the record is marked as entered in error (and stays readable); it waits here again.
tray-return-do = Give back
