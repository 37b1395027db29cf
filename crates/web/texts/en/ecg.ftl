# ECG

ecg-title = ECG
ecg-pdf = Print (PDF, true size)
print = Print
withdrawn = Withdrawn
ecg-gaps = { $n ->
    [one] 1 gap in the recording
   *[other] { $n } gaps in the recording
}
ecg-gaps-do = Gaps are left blank, nothing was filled in. Record again if needed.
ecg-clipped = Beyond the recorder's range: { $leads }
ecg-clipped-do = The tops of these leads are cut off. Check the electrodes and record again.
ecg-paper-label = 12-lead ECG, 25 millimetres per second, 10 millimetres per millivolt
ecg-not-here = The samples have not arrived here yet.
ecg-no-diagnosis = The heart rate is measured by machine and not confirmed by a physician; this page gives no diagnosis.
ecg-rate = Heart rate
ecg-rate-none = not measurable
unit-per-minute = /min
demo-data = Demonstration data
ecg-state-waiting = Waiting
ecg-state-contact = Poor contact
ecg-state-running = Recording
ecg-state-frozen = Frozen
ecg-state-lost = Signal lost
ecg-freeze = Freeze
ecg-live-label = Running ECG
ecg-live-noscript = The running trace needs scripts; the recording can be seen on its page when it is complete.
