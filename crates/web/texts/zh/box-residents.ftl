# 居民名单导入导出

residents-out = 导出
residents-out-about = 导出全部居民的名单，可用表格软件打开。名单含身份证号和电话，请妥善保管。
residents-out-do = 下载名单
residents-in = 导入
residents-in-about = 第一行是列名，至少要有“姓名”；可有 性别、出生日期、身份证号、电话、乡镇、村、组、门牌、档案号。已登记的居民不会重复。
residents-file = 名单文件（CSV）
residents-file-hint = 表格软件另存为 CSV 即可，GBK 或 UTF-8 都行
residents-take = 导入
residents-no-file = 请选择名单文件
residents-taken = 新登记 { $new } 人，已登记过 { $known } 人
residents-faults = 有 { $n } 处要核对：
residents-line = 第 { $line } 行
line-no-name = 没有姓名，这一行没有导入
line-spoilt-number = 身份证号被表格软件改坏了，没有导入号码，请补填
line-unverified-number = 身份证号核验不通过，按“未核验”保存
line-bad-birth = 出生日期不是有效日期，没有导入日期
line-contradiction = 性别或出生日期与身份证号不一致，以身份证号为准
line-unknown-sex = 性别无法识别
line-spoilt-phone = 电话被表格软件改坏了，没有导入电话
line-bad-field = 有一栏太长或含特殊字符，这一行没有导入
list-too-large = 文件太大（超过 16 MB），请拆成几份
list-too-many = 行数太多（超过 10 万行），请拆成几份
list-not-text = 文件不是 GBK 或 UTF-8 文字，请另存为 CSV
list-no-name-column = 没有“姓名”这一列
