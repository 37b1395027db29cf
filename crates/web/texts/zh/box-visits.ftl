# 接诊

visit-save = 保存
visit-sign = 签名
visit-saved = 已保存到诊室 { $at }
visit-merged = 另一处也保存了这份记录
visit-merged-do = 两边填写的内容都已保留，合并在下面。请核对；同一栏填写不同的，请选择以哪个为准，然后再签名。
visit-certainty-none = 未注明
visit-closed-meanwhile = 这份记录已签名，您填写的内容没有入档
visit-closed-meanwhile-do = 签名后不能再改。您填写的不同内容已放到下面的修订栏，核对后写明原因提交。
visit-late = 签名前在别处填写，晚到
visit-amend = 提交修订
visit-amend-title = 修订
visit-amend-about = 原记录保持不变，修订内容附在后面，并留下姓名、时间和原因。
visit-clash-first = 有一栏填写了两种说法，请先选择以哪个为准，再签名
