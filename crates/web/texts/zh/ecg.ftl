# 心电图

ecg-title = 心电图
ecg-pdf = 打印（PDF，原尺寸）
print = 打印
withdrawn = 已作废
ecg-gaps = 采集中断 { $n } 处
ecg-gaps-do = 中断处留白，没有补画。需要时请重新采集。
ecg-clipped = 超出记录范围：{ $leads }
ecg-clipped-do = 这些导联的波形顶部被截平，请检查电极接触后重新采集。
ecg-paper-label = 十二导联心电图，每秒25毫米，每毫伏10毫米
ecg-not-here = 波形数据还没有传到这里。
ecg-no-diagnosis = 心率由设备自动测量，未经医师确认；本页不提供诊断。
ecg-rate = 心率
ecg-rate-none = 无法测量
unit-per-minute = 次/分
demo-data = 演示数据
ecg-state-waiting = 等待连接
ecg-state-contact = 接触不良
ecg-state-running = 采集中
ecg-state-frozen = 已冻结
ecg-state-lost = 信号中断
ecg-freeze = 冻结
ecg-live-label = 实时心电波形
ecg-live-noscript = 实时波形需要浏览器脚本；记录完成后可在心电图页查看。
