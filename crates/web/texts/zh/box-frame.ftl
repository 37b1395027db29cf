# 诊室页面：导航、登录、更多

nav-today = 今日
nav-patients = 居民
nav-bays = 设备
nav-tray = 待认领
nav-more = 更多
place-unnamed = 乡医盒子

sign-in-no-user = 请填写姓名或工号
sign-in-no-password = 请填写密码
sign-in-wrong = 姓名或密码不对，请重新输入
sign-in-wrong-left = 姓名或密码不对，还可以再试 { $n } 次
sign-in-locked = 输错次数太多，已锁定，请 { $n } 分钟后再试，或请诊室管理员重设密码
unlock-wrong = PIN 码不对，请重新输入

more-title = 更多
more-status = 连接与上传
more-status-about = 未上传条数、原因、上次联系
more-staff = 人员与权限
more-staff-about = 添加人员、停用、重设密码
more-audit = 查看与修改记录
more-audit-about = 谁看过、谁改过谁的记录
more-residents = 居民名单导入导出
more-residents-about = 从电子表格导入，或导出为表格
more-tablets = 设置平板
more-tablets-about = 无线网络、证书、检查页
more-account = 我的密码和 PIN
more-account-about = 修改登录密码和解锁 PIN
more-help = 帮助与版本
more-help-about = 怎么用、版本号、本机指纹

help-title = 帮助与版本
help-find = 找人
help-find-do = 在“居民”页输入姓名、拼音首字母（如 wxy）、身份证号任意一段或手机尾号；也可以直接扫码。
help-register = 登记新居民
help-register-do = 把身份证放在读卡器上，点“用身份证登记”；没有身份证就手工填写。身份证号核对不上也能保存，会标明“未核验”。
help-measure = 测量
help-measure-do = 在居民页点“测量”，选设备，再让居民开始测。结果会自动出现，不用刷新。
help-visit = 接诊与签名
help-visit-do = 填写时自动存草稿，点“保存”入档，点“签名”后不能再改，只能修订。
help-tray = 待认领
help-tray-do = 不能确定属于谁的测量值放在“待认领”。认领要核对两项身份信息，认错了可以退回。
help-offline = 没有网络时
help-offline-do = 照常工作。所有内容都存在本机，联网后自动上传；右上角的指示灯说明还有多少没有上传。
help-versions = 版本
help-program = 程序
help-tables = 代码表
help-clinic = 诊室代码
help-device = 设备编号
help-words = 本机指纹
help-licence = 许可证
