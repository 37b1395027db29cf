# 图表

range-label = 时间范围
range-week = 7天
range-month = 30天
range-year = 1年
range-all = 全部
chart-empty = 这段时间没有记录
chart-as-table = 以表格显示
chart-pressure-alt = 血压图，共 { $n } 次，数值见下方表格
chart-trend-alt = { $what }变化图，共 { $n } 次，数值见下方表格
chart-widened = 有超出常用范围的数值，纵轴已扩大到 { $low }–{ $high } { $unit }
chart-diastolic-limit = 舒张压上限 90
column-time = 时间
column-value = 数值
tick-day = { $month }月{ $day }日
