# 页面框架：导航、状态灯、日期、错误

skip-to-content = 跳到正文
nav-label = 主菜单
language-other = English
lock-now = 锁屏
sign-out = 退出登录
lost-box = 连不上诊室设备，页面内容可能已过时。请检查无线网络；已填写的内容保留在本页。
title-faulty = 错误：{ $title }

light-synced = 已同步
light-synced-at = 已同步 { $at }
light-sending = 上传中 { $n } 条
light-unreached = 县里未连通，已存 { $n } 条
light-alone = 未加入县网，已存 { $n } 条
light-person = { $n } 条待处理
light-fleet = 已联系 { $heard }/{ $enrolled } 个诊室

day-this-year = { $month }月{ $day }日 { $weekday }
day-with-year = { $year }年{ $month }月{ $day }日
when-with-age = { $when }({ $age })
day-today = 今天
day-yesterday = 昨天
weekday-mon = 周一
weekday-tue = 周二
weekday-wed = 周三
weekday-thu = 周四
weekday-fri = 周五
weekday-sat = 周六
weekday-sun = 周日
ago-days = { $n }天前
ago-months = { $n }个月前
ago-years = { $n }年前
age-years = { $n }岁
age-months = { $n }个月
age-days = { $n }天

kiosk-call = 呼叫医生
kiosk-still-there = 您还在吗？
kiosk-stay = 我还在

trouble-home = 回到首页
trouble-number = 错误编号
trouble-not-found = 没有这个页面
trouble-not-found-do = 地址可能写错了，或者记录已经移走。请从首页重新进入。
trouble-forbidden = 您没有此项权限
trouble-forbidden-do = 这项工作不在您的岗位范围内。如需办理，请联系本诊室负责人。
trouble-sign-in = 请先登录
trouble-sign-in-do = 登录已结束，草稿都还在。请重新登录后继续。
trouble-foreign-site = 请求被拒绝
trouble-foreign-site-do = 这个请求来自别的网站，没有执行。请直接在本系统的页面上操作。
trouble-unreadable = 提交的内容读不懂
trouble-unreadable-do = 没有保存任何内容。请返回上一页，检查后重新提交。
trouble-too-large = 内容太大
trouble-too-large-do = 没有保存任何内容。请把文件拆小后再提交。
trouble-too-many = 尝试次数太多
trouble-too-many-do = 请等 { $n } 秒后再试。
trouble-too-slow = 处理时间太长
trouble-too-slow-do = 设备正忙。请稍等片刻，查看内容是否已保存，再决定是否重试。
trouble-disk-full = 存储空间已满，没有保存
trouble-disk-full-do = 本次内容没有保存。请不要关闭本页，联系技术人员清理空间后再点保存。
trouble-read-only = 存储卡不能写入，没有保存
trouble-read-only-do = 本次内容没有保存。请先用纸笔记录，并立即联系技术人员更换存储卡。
trouble-stale = 这条记录刚被别人修改过
trouble-stale-do = 请刷新页面查看最新内容，再补充您的修改。
trouble-broken = 系统出了故障
trouble-broken-do = 这是系统的问题，不是您操作有误。请返回重试；如果再次出现，请把错误编号告诉技术人员。
