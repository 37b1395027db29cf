# 居民：查找、登记、档案

list-first = 回到开头
list-next = 下一页

register-title = 登记居民
register-do = 登记
register-card = 读卡器上有身份证
register-card-do = 用身份证登记
register-card-known = 这位居民已登记
register-card-none = 把身份证放在读卡器上，可以一步登记。
register-card-gone = 身份证已拿开，请放回读卡器再试
register-allergies-not = 未询问
register-allergies-none = 无已知过敏
register-allergies-known = 有过敏史
register-allergy-agent = 过敏原
register-allergy-hint = 例如 青霉素；多项用逗号隔开
register-twin = 可能已经登记过
register-twin-open = 就是此人，打开档案
register-twin-other = 不是同一人，继续登记
register-unverified = 身份证号未核验

patient-visit = 接诊
patient-measure = 测量
patient-type-reading = 录入测量值
patient-audit = 查看记录
patient-address = 住址
patient-family-doctor = 家庭医生
patient-householder = 户主
back-to-patient = 返回居民页
allergies-unreadable-do = 记录损坏或还没有传到。开药前请当面再问一遍。

demographics-title = 修改基本资料

chart-title = 过敏、疾病与用药
allergy-add = 添加过敏
allergy-refute = 排除
allergy-none-known = 已询问，无已知过敏
allergy-refuted-by = 已排除
problem-find = 查诊断：名称、拼音首字母或编码
problem-add = 添加疾病
problem-end = 结束
problem-ended = 已结束
drug-add = 添加用药
