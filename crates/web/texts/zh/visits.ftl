# 就诊

visit-list-none = 还没有就诊记录
today-none = 今天还没有人就诊
visit-title = 就诊
visit-state-open = 书写中
visit-state-signed = 已签名
visit-state-imported = 导入
visit-source = 来源 { $source }
visit-signed-by = 由 { $name } 于 { $at } 签名
visit-amendment = 修订
visit-amendment-reason = 原因
visit-triage = 分诊
visit-level = 分诊级别
visit-triage-reason = 分诊依据
visit-triage-hint = 例如：胸痛 30 分钟、呼吸急促
visit-notes = 病历
visit-complaint = 主诉
visit-history = 现病史
visit-examination = 查体
visit-diagnoses = 诊断
visit-diagnosis-find = 添加诊断
visit-diagnosis-hint = 输入名称、拼音首字母或编码，例如 gxy
visit-diagnosis-own = 用自己的文字：{ $words }
visit-certainty = 确定程度
visit-advice = 处理意见
