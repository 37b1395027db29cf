# 报警：发生了什么、怎么办、由谁处理

alarm-who = 由{ $who }处理
alarm-who-technician = 技术人员
alarm-who-county = 县中心管理员
alarm-reference = 编号 { $text }
alarm-settle = 已处理

alarm-damaged = 数据库损坏，已另存；现在用的是新的空库
alarm-damaged-do = 不要格式化存储卡，也不要删除另存的文件：里面可能有还没传出去的记录。请用最近的备份恢复，其余由联网的另一方补发。
alarm-repaired = 数据库曾损坏，记录已全部读出并修复
alarm-repaired-do = 存储卡可能快要坏了：先做一次备份，再换卡。
alarm-salvaged = 数据库损坏，能读出的记录已全部保存，原文件已另存
alarm-salvaged-do = 缺少的部分会由联网的另一方补发。存储卡可能快要坏了：先做一次备份，再换卡。
alarm-suspect = 数据库里有记录损坏，其余部分照常使用
alarm-suspect-do = 先做一次备份，再重新启动：启动时会保存能读出的全部记录。
alarm-rebuilt = 数据库的列表或索引曾损坏，已自动重建，没有丢失记录
alarm-rebuilt-do = 存储卡可能快要坏了：先做一次备份，再换卡。
alarm-disk-full = 存储空间已满，新内容存不下
alarm-disk-full-do = 先不要关闭正在填写的页面。清理空间或换更大的存储卡后再保存。
alarm-disk-low = 存储空间不多了
alarm-disk-low-do = 现在还能保存。请在满之前清理空间或换更大的存储卡。
alarm-read-only = 存储卡不能写入
alarm-read-only-do = 现在不能保存任何内容，请先用纸记录。检查存储卡，必要时换卡并用备份恢复。
alarm-clone = 两台机器在用同一个身份
alarm-clone-do = 两台写的记录都收下了，没有丢失。请查明哪一台是复制出来的，停用它或给它重新入网。
alarm-spoiled = 两台机器曾用同一个身份写记录
alarm-spoiled-do = 记录没有丢失，已换新编号重写。请查明是否复制过存储卡，或恢复备份后旧机器还在用；只留一台。
alarm-differs = 本机与县中心的内容不一致
alarm-differs-do = 系统正在自动比对并补传，对上后这一条会自己消失。过了一天还在，请联系技术人员。
alarm-parked = 有修改没有被接受，已搁置
alarm-parked-do = 内容没有丢。打开可以看到每一条和原因。
alarm-blob-store = 存放心电波形和图片的存储连不上
alarm-blob-store-do = 内容没有丢，新的先放在数据库里。请检查这个存储和到它的线路，恢复后这一条会自己消失。
alarm-blob-lost = 有心电波形或图片在存储里缺失或已损坏
alarm-blob-lost-do = 找回之前不会显示它。请运行 verify 查看清单，并从该存储的备份恢复。
alarm-other = 本版本不认识的报警：{ $word }
alarm-other-do = 升级程序后会有说明。请先把这个词告诉技术人员。
