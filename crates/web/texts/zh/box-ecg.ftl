# 心电图页

ecg-draw-gap = 中断
ecg-draw-clipped = 超限
ecg-draw-lead-off = 脱落
ecg-draw-missing = 无此导联
ecg-draw-filter = 滤波
ecg-draw-unfiltered = 无
ecg-withdraw = 作废这份心电图
ecg-withdraw-hint = 作废后仍可查看，例如 电极脱落、做错了人
