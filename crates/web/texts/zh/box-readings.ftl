# 测量值

reading-surface = 体表温度
staff-unknown = 未知人员
typed-bp-hint = 如 138/86，或带脉搏 138/86/77
typed-glucose-timing = 血糖时间
typed-nothing = 请至少填写一项测量值
withdraw-title = 标为误录
withdraw-about = 这条记录会划掉，但仍然可以查看，并留下您的姓名和原因。
withdraw-hint = 例如 袖带松脱、测错了人
withdraw-do = 标为误录
critical-do = 已保存。请立即处理：复测核实，开始接诊，必要时拨打 120 并联系县医院。
critical-repeat = 再测一次
critical-visit = 开始接诊
critical-seen = 已处理，返回居民页
