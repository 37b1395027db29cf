# The ECG page

ecg-draw-gap = gap
ecg-draw-clipped = clipped
ecg-draw-lead-off = lead off
ecg-draw-missing = not recorded
ecg-draw-filter = Filter
ecg-draw-unfiltered = none
ecg-withdraw = Withdraw this ECG
ecg-withdraw-hint = It stays readable; such as electrode off, wrong person
