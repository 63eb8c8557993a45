-- A database of the tables' version 3, the last before Alembic, as its server left it.
BEGIN TRANSACTION;
CREATE TABLE activity_snapshots (
	server_id VARCHAR(64) NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	seen DOUBLE NOT NULL, 
	snapshot BLOB NOT NULL, 
	PRIMARY KEY (server_id, key_id)
);
CREATE TABLE job_pieces (
	job_id VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	blob VARCHAR(64), 
	PRIMARY KEY (job_id, number), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_pieces" VALUES('job_9835632e6dab16ed',0,'This is sentence number 0, to be heard. ','000000-4eee1b24.pcm');
INSERT INTO "job_pieces" VALUES('job_9835632e6dab16ed',1,'This is sentence number 1, to be heard. ','000001-54bd5372.pcm');
INSERT INTO "job_pieces" VALUES('job_9835632e6dab16ed',2,'This is sentence number 2, to be heard. ','000002-e940cab7.pcm');
INSERT INTO "job_pieces" VALUES('job_9835632e6dab16ed',3,'This is sentence number 3, to be heard.','000003-95c1580b.pcm');
INSERT INTO "job_pieces" VALUES('job_a6f4deff76172baf',0,'Waiting for its turn. ',NULL);
INSERT INTO "job_pieces" VALUES('job_a6f4deff76172baf',1,'This is sentence number 0, to be heard. ',NULL);
INSERT INTO "job_pieces" VALUES('job_a6f4deff76172baf',2,'This is sentence number 1, to be heard. ',NULL);
INSERT INTO "job_pieces" VALUES('job_a6f4deff76172baf',3,'This is sentence number 2, to be heard. ',NULL);
INSERT INTO "job_pieces" VALUES('job_a6f4deff76172baf',4,'This is sentence number 3, to be heard.',NULL);
CREATE TABLE job_requests (
	key_id VARCHAR(64) NOT NULL, 
	request_id VARCHAR(36) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	job_id VARCHAR(32) NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (key_id, request_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_requests" VALUES('','72297e3f-b3d0-4a58-a085-5ad3bf10b6da','8b7ceddf4edf13d6d17be249903ea6ff2a075c1f2e18e7a0e8a293b3364ab9f8','job_9835632e6dab16ed',1.79592150037127399448e+09);
INSERT INTO "job_requests" VALUES('','6f1c0c7b-e0ab-4f2f-9a10-0242ac120002','e5f1a5a564c7a044fc2d053549023bc1add8395f471fc32382519b1082917190','job_a6f4deff76172baf',1.79592150261293745034e+09);
CREATE TABLE job_samples (
	job_id VARCHAR(32) NOT NULL, 
	audio BLOB NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE job_turns (
	key_id VARCHAR(64) NOT NULL, 
	turn DOUBLE NOT NULL, 
	PRIMARY KEY (key_id)
);
INSERT INTO "job_turns" VALUES('',1.79592150048122692115e+09);
CREATE TABLE jobs (
	id VARCHAR(32) NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	request BLOB NOT NULL, 
	text_start TEXT NOT NULL, 
	characters INTEGER NOT NULL, 
	pieces_total INTEGER NOT NULL, 
	sample_rate_hertz INTEGER NOT NULL, 
	created DOUBLE NOT NULL, 
	started DOUBLE, 
	ended DOUBLE, 
	pieces_done INTEGER NOT NULL, 
	characters_done INTEGER NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	samples BIGINT NOT NULL, 
	spoken_seconds DOUBLE NOT NULL, 
	error_reason VARCHAR(64) NOT NULL, 
	error_message TEXT NOT NULL, 
	lease_owner VARCHAR(64) NOT NULL, 
	lease_until DOUBLE NOT NULL, 
	claims INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "jobs" VALUES('job_9835632e6dab16ed','','completed',X'1207737065616B65721A04746F6E65420408011028','This is sentence number 0, to be heard. This is sentence number 1, to be heard. ',159,4,24000,1.79592150036992168429e+09,1.7959215003815307617e+09,1.79592150051009106634e+09,4,159,159,381600,5.35676409999723546206e-02,'','','',0.0,0);
INSERT INTO "jobs" VALUES('job_a6f4deff76172baf','','queued',X'1207737065616B65721A04746F6E65420408011028','Waiting for its turn. This is sentence number 0, to be heard. This is sentence n',181,5,24000,1.79592150261151528361e+09,NULL,NULL,0,0,0,0,0.0,'','','',0.0,0);
CREATE TABLE past_requests (
	id VARCHAR(32) NOT NULL, 
	request_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	method TEXT NOT NULL, 
	model TEXT NOT NULL, 
	voice TEXT NOT NULL, 
	options BLOB, 
	status VARCHAR(32) NOT NULL, 
	reason TEXT NOT NULL, 
	field TEXT NOT NULL, 
	started DOUBLE NOT NULL, 
	seconds DOUBLE NOT NULL, 
	queued_seconds DOUBLE, 
	first_result_seconds DOUBLE, 
	total_seconds DOUBLE NOT NULL, 
	characters BIGINT NOT NULL, 
	audio_seconds_in DOUBLE NOT NULL, 
	audio_seconds_out DOUBLE NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	output_tokens BIGINT NOT NULL, 
	text TEXT NOT NULL, 
	is_whole_text BOOLEAN NOT NULL, 
	audio_format BLOB NOT NULL, 
	audio_bytes BIGINT NOT NULL, 
	audio_problem VARCHAR(32) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "past_requests" VALUES('req_f60b4cbc91ff88e4','e5f87a579a2ba60f4f9c5da20f9a73a7','','','Synthesize','speaker','tone',X'42020801','OK','','',1.79592150090380811688e+09,1.79761289982707239687e-02,4.60458599991397932171e-03,5.09344199963379651308e-03,1.77821509932982735335e-02,34,0.0,3.40000000000000168753e+00,34,0,'This is said once. And it is kept.',1,X'080110C0BB0118012209617564696F2F776176',163244,'');
INSERT INTO "past_requests" VALUES('req_37e3b808268ed332','d48eeb0af0ba94128cc5b1f82d8a5ec6','','','Transcribe','listener','',X'2202656E','OK','','',1.7959215009289491177e+09,1.97575719001179095357e-01,1.65291657001944258809e-01,1.88992205003160052001e-01,1.93623992003267630934e-01,0,3.4,0.0,0,34,'This is said once. And it is kept.',1,X'',0,'');
INSERT INTO "past_requests" VALUES('req_05d369f9afc65c2d','ba1249937124c735d2c7aca809a0c850','','','Synthesize','speaker','',X'1A066E6F626F647942020801','NOT_FOUND','VOICE_NOT_FOUND','voice',1.79592150114464092257e+09,9.84751999931177124381e-03,0.00113065900222864,NULL,1.9604100016294978559e-03,8,0.0,0.0,0,0,'Refused.',1,X'',0,'');
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(3);
CREATE INDEX jobs_newest ON jobs (created, id);
CREATE INDEX jobs_to_run ON jobs (state, lease_until);
CREATE INDEX past_requests_newest ON past_requests (started, id);
CREATE INDEX past_requests_of_key ON past_requests (key_id, started, id);
COMMIT;
