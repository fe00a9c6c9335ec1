PRAGMA application_id = 1802331508;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE act (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  parents TEXT NOT NULL,
  who TEXT NOT NULL,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  why TEXT NOT NULL,
  replaces TEXT NOT NULL,
  chain TEXT NOT NULL
) STRICT;
INSERT INTO "act" VALUES(1,'1a04a622955d299663a38d32ad1dce735984ef762b7f4de095a08f69f0838e88','','example','2026-11-01T09:00:00.000000Z','protocol','["protocol"]','{"text":"title = \"Survival after treatment of neuroendocrine liver metastases\"\n"}','','','0efa368b0c415389e2279e42785cff2ee62612e17f2ad70a7daabf926d944fae');
INSERT INTO "act" VALUES(2,'917ffd8dcd9e04c65cdab59fe3d81c4242380b6488c8101ff7f783fd3ce9523e','1a04a622955d299663a38d32ad1dce735984ef762b7f4de095a08f69f0838e88','example','2026-11-02T09:00:00.000000Z','study','["mayo2011"]','{"country":"international","first_author":"Mayo","n_total":753,"study_id":"mayo2011","year":2011}','first extraction','','0e30a807eb7860b5e6200bbe8d7a8185a8360089d25fb1a4d8cfdaf456877b33');
INSERT INTO "act" VALUES(3,'e4a0d79e73fc4166b6691bbfb6cfffe073ea87efcf3770ca4b1205e5ebedeb66','917ffd8dcd9e04c65cdab59fe3d81c4242380b6488c8101ff7f783fd3ce9523e','example','2026-11-02T09:00:00.000000Z','study','["saxena2011"]','{"first_author":"Saxena","n_total":74,"study_id":"saxena2011","year":2011}','first extraction','','34c11cc0085b6265054a29806eb57a0afb8c6bc82f1d5de3dcfebf0cbbc0779d');
INSERT INTO "act" VALUES(4,'980934aa0f112e1eb46cabf1ae50cc3dd9305a3302c682cca68443b44f00fd76','e4a0d79e73fc4166b6691bbfb6cfffe073ea87efcf3770ca4b1205e5ebedeb66','example','2026-11-02T09:00:00.000000Z','arm','["mayo2011","res"]','{"arm_id":"res","location":"Table 1","n":339,"source":"Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","study_id":"mayo2011","treatment":"hepatic resection with or without ablation","treatment_class":"resection"}','first extraction','','5bc5f1d0a99ec4b77b1d1a9248bb596708ff50643d7ee74b8ab18d7b32ba87d7');
INSERT INTO "act" VALUES(5,'1b10f7ba3bbd6208870973e1b5132724d3f9d056f0c9d96b7760296cb0e68b9b','980934aa0f112e1eb46cabf1ae50cc3dd9305a3302c682cca68443b44f00fd76','example','2026-11-02T09:00:00.000000Z','arm','["saxena2011","res"]','{"arm_id":"res","location":"Table 1","n":74,"source":"Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","study_id":"saxena2011","treatment":"hepatic resection with or without cryoablation","treatment_class":"resection"}','first extraction','','1a7dcd3a9c9150d111afe1a245335935b88cd6fb549bbaa32fc9832030121e0d');
INSERT INTO "act" VALUES(6,'2b65c5617979c680dc11dde5c77330111ce6c6fc0e18997e21c37bf13e8dc5d7','1b10f7ba3bbd6208870973e1b5132724d3f9d056f0c9d96b7760296cb0e68b9b','example','2026-11-02T09:00:00.000000Z','estimate','["mayo2011","res","OS","probability",60.0,"treatment","","Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","Table 1"]','{"arm_id":"res","kind":"probability","location":"Table 1","outcome":"OS","second_hand":true,"source":"Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","study_id":"mayo2011","time_months":60.0,"time_origin":"treatment","value":0.74}','first extraction','','6b4a5c48f68bad69fe52f22ee2e80525913c78d06027a2627459e0f076a03492');
INSERT INTO "act" VALUES(7,'cff3e1476f95c08d18d55db4e481ceabcec82557fa8fdd8299fa4a91e8c25a57','2b65c5617979c680dc11dde5c77330111ce6c6fc0e18997e21c37bf13e8dc5d7','example','2026-11-02T09:00:00.000000Z','estimate','["mayo2011","res","OS","median",null,"treatment","","Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","Table 1"]','{"arm_id":"res","kind":"median","location":"Table 1","outcome":"OS","second_hand":true,"source":"Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","study_id":"mayo2011","time_origin":"treatment","value":132.0}','first extraction','','0cda28083f66eacf33a807acd87f2cece940076b8887c852ba9033ddee1821c3');
INSERT INTO "act" VALUES(8,'b8591156d7b7e7cd6e2d220f2bccf36dd26875d3e1da2f2e5b3920e58a3f545d','cff3e1476f95c08d18d55db4e481ceabcec82557fa8fdd8299fa4a91e8c25a57','example','2026-11-02T09:00:00.000000Z','record','["R001"]','{"authors":["Cheung TT","Chok KSH"],"doi":"10.1155/2014/524045","pmid":"24526905","record_id":"R001","title":"Long Term Survival Analysis of Hepatectomy for Neuroendocrine Tumour Liver Metastases","year":2014}','first extraction','','add46189f2dc622316180dec335f446eea967e6d74c4e493a8af49afeaf3ed5c');
INSERT INTO "act" VALUES(9,'200e7d631c9341347cd1e9689f1d7fe2526d5cabe68ef8af9ace4f04e2f213c5','b8591156d7b7e7cd6e2d220f2bccf36dd26875d3e1da2f2e5b3920e58a3f545d','example','2026-11-03T09:00:00.000000Z','estimate','["mayo2011","res","OS","median",null,"treatment","","Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","Table 1"]','{"arm_id":"res","kind":"median","location":"Table 1","outcome":"OS","second_hand":true,"source":"Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946","study_id":"mayo2011","time_origin":"treatment","value":123.0}','read again: 123 months','cff3e1476f95c08d18d55db4e481ceabcec82557fa8fdd8299fa4a91e8c25a57','736b63608675679dbef4648ae6b393e10fd7c10803bae108989554465896f691');
INSERT INTO "act" VALUES(10,'0b68f0d2db48cab600e005e0f0d2b12c01e187692334d916f365c7f2636f2ffd','200e7d631c9341347cd1e9689f1d7fe2526d5cabe68ef8af9ace4f04e2f213c5','example','2026-11-04T09:00:00.000000Z','decision','["title-abstract","R001","example"]','{"record_id":"R001","reviewer":"example","stage":"title-abstract","vote":"include"}','','','c5e54fb1812fe61cbd1bafb02a3f52cd79ccc181eaa8f66023901b08d6f99ac7');
INSERT INTO "act" VALUES(11,'1f465b914f74334d1ee3a1c21fe32a5405f1fca1e301a552d6049d32c8ba2718','0b68f0d2db48cab600e005e0f0d2b12c01e187692334d916f365c7f2636f2ffd','example','2026-11-05T09:00:00.000000Z','study','["saxena2011"]','null','to show a removal','e4a0d79e73fc4166b6691bbfb6cfffe073ea87efcf3770ca4b1205e5ebedeb66','29f86d1798a917164d02c9ae0b040bcad24f57047a7f6dfac36255f618c56678');
INSERT INTO "act" VALUES(12,'cdd8f59ff80c8947482ee2c1c6e97d8d60b30097500b8a34c68ee4ddfd97b5fe','1f465b914f74334d1ee3a1c21fe32a5405f1fca1e301a552d6049d32c8ba2718','example','2026-11-06T09:00:00.000000Z','file','["4f77a275999d3b717ec9cad41d050018a95f2ba950cdc9ab8a998a94fac1b960","note.txt"]','{"name":"note.txt","sha256":"4f77a275999d3b717ec9cad41d050018a95f2ba950cdc9ab8a998a94fac1b960","size":29}','','','c0901454c4b96b9f46603f1d1c00851b8eb03897d99835c2fff763de62576c9a');
CREATE TABLE head (id TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "head" VALUES('cdd8f59ff80c8947482ee2c1c6e97d8d60b30097500b8a34c68ee4ddfd97b5fe');
CREATE TABLE replaced (id TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "replaced" VALUES('cff3e1476f95c08d18d55db4e481ceabcec82557fa8fdd8299fa4a91e8c25a57');
INSERT INTO "replaced" VALUES('e4a0d79e73fc4166b6691bbfb6cfffe073ea87efcf3770ca4b1205e5ebedeb66');
CREATE TRIGGER act_no_update BEFORE UPDATE ON act BEGIN SELECT RAISE(ABORT, 'rows of act are appended, never changed'); END;
CREATE TRIGGER act_no_delete BEFORE DELETE ON act BEGIN SELECT RAISE(ABORT, 'rows of act are appended, never changed'); END;
CREATE TRIGGER act_no_replace BEFORE INSERT ON act WHEN EXISTS (SELECT 1 FROM act WHERE id = NEW.id OR seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'rows of act are appended, never changed'); END;
CREATE TRIGGER replaced_no_update BEFORE UPDATE ON replaced BEGIN SELECT RAISE(ABORT, 'rows of replaced are appended, never changed'); END;
CREATE TRIGGER replaced_no_delete BEFORE DELETE ON replaced BEGIN SELECT RAISE(ABORT, 'rows of replaced are appended, never changed'); END;
CREATE TRIGGER replaced_no_replace BEFORE INSERT ON replaced WHEN EXISTS (SELECT 1 FROM replaced WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'rows of replaced are appended, never changed'); END;
COMMIT;
