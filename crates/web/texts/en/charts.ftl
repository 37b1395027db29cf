# Charts

range-label = Time range
range-week = 7 days
range-month = 30 days
range-year = 1 year
range-all = All
chart-empty = Nothing recorded in this time
chart-as-table = Show as table
chart-pressure-alt = Blood pressure chart, { $n ->
    [one] 1 reading
   *[other] { $n } readings
}, values in the table below
chart-trend-alt = Chart of { $what }, { $n } readings, values in the table below
chart-widened = Some values lie outside the usual range; the axis now shows { $low }–{ $high } { $unit }
chart-diastolic-limit = Diastolic limit 90
column-time = Time
column-value = Value
tick-day = { $day } { $month ->
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
