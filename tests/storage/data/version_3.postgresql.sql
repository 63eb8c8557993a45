-- A database of the tables' version 3, the last before Alembic, as its server left it.
CREATE TABLE public.activity_snapshots (
    server_id character varying(64) NOT NULL,
    key_id character varying(64) NOT NULL,
    seen double precision NOT NULL,
    snapshot bytea NOT NULL
);
CREATE TABLE public.job_pieces (
    job_id character varying(32) NOT NULL,
    number integer NOT NULL,
    text text NOT NULL,
    blob character varying(64)
);
CREATE TABLE public.job_requests (
    key_id character varying(64) NOT NULL,
    request_id character varying(36) NOT NULL,
    fingerprint character varying(64) NOT NULL,
    job_id character varying(32) NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.job_samples (
    job_id character varying(32) NOT NULL,
    audio bytea NOT NULL
);
CREATE TABLE public.job_turns (
    key_id character varying(64) NOT NULL,
    turn double precision NOT NULL
);
CREATE TABLE public.jobs (
    id character varying(32) NOT NULL,
    key_id character varying(64) NOT NULL,
    state character varying(16) NOT NULL,
    request bytea NOT NULL,
    text_start text NOT NULL,
    characters integer NOT NULL,
    pieces_total integer NOT NULL,
    sample_rate_hertz integer NOT NULL,
    created double precision NOT NULL,
    started double precision,
    ended double precision,
    pieces_done integer NOT NULL,
    characters_done integer NOT NULL,
    input_tokens bigint NOT NULL,
    samples bigint NOT NULL,
    spoken_seconds double precision NOT NULL,
    error_reason character varying(64) NOT NULL,
    error_message text NOT NULL,
    lease_owner character varying(64) NOT NULL,
    lease_until double precision NOT NULL,
    claims integer NOT NULL
);
CREATE TABLE public.past_requests (
    id character varying(32) NOT NULL,
    request_id text NOT NULL,
    key text NOT NULL,
    key_id character varying(64) NOT NULL,
    method text NOT NULL,
    model text NOT NULL,
    voice text NOT NULL,
    options bytea,
    status character varying(32) NOT NULL,
    reason text NOT NULL,
    field text NOT NULL,
    started double precision NOT NULL,
    seconds double precision NOT NULL,
    queued_seconds double precision,
    first_result_seconds double precision,
    total_seconds double precision NOT NULL,
    characters bigint NOT NULL,
    audio_seconds_in double precision NOT NULL,
    audio_seconds_out double precision NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    text text NOT NULL,
    is_whole_text boolean NOT NULL,
    audio_format bytea NOT NULL,
    audio_bytes bigint NOT NULL,
    audio_problem character varying(32) NOT NULL
);
CREATE TABLE public.schema_version (
    version integer NOT NULL
);
CREATE SEQUENCE public.schema_version_version_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.schema_version_version_seq OWNED BY public.schema_version.version;
ALTER TABLE ONLY public.schema_version ALTER COLUMN version SET DEFAULT nextval('public.schema_version_version_seq'::regclass);
INSERT INTO public.job_pieces VALUES ('job_9835632e6dab16ed', 0, 'This is sentence number 0, to be heard. ', '000000-cf7eec61.pcm');
INSERT INTO public.job_pieces VALUES ('job_9835632e6dab16ed', 1, 'This is sentence number 1, to be heard. ', '000001-db8777a6.pcm');
INSERT INTO public.job_pieces VALUES ('job_9835632e6dab16ed', 2, 'This is sentence number 2, to be heard. ', '000002-00741161.pcm');
INSERT INTO public.job_pieces VALUES ('job_9835632e6dab16ed', 3, 'This is sentence number 3, to be heard.', '000003-be731785.pcm');
INSERT INTO public.job_pieces VALUES ('job_a6f4deff76172baf', 0, 'Waiting for its turn. ', NULL);
INSERT INTO public.job_pieces VALUES ('job_a6f4deff76172baf', 1, 'This is sentence number 0, to be heard. ', NULL);
INSERT INTO public.job_pieces VALUES ('job_a6f4deff76172baf', 2, 'This is sentence number 1, to be heard. ', NULL);
INSERT INTO public.job_pieces VALUES ('job_a6f4deff76172baf', 3, 'This is sentence number 2, to be heard. ', NULL);
INSERT INTO public.job_pieces VALUES ('job_a6f4deff76172baf', 4, 'This is sentence number 3, to be heard.', NULL);
INSERT INTO public.job_requests VALUES ('', '71590832-0687-4a06-8bc3-2ba3c766216a', '8b7ceddf4edf13d6d17be249903ea6ff2a075c1f2e18e7a0e8a293b3364ab9f8', 'job_9835632e6dab16ed', 1795921555.2086742);
INSERT INTO public.job_requests VALUES ('', '6f1c0c7b-e0ab-4f2f-9a10-0242ac120002', 'e5f1a5a564c7a044fc2d053549023bc1add8395f471fc32382519b1082917190', 'job_a6f4deff76172baf', 1795921557.6091607);
INSERT INTO public.job_turns VALUES ('', 1795921555.2580035);
INSERT INTO public.jobs VALUES ('job_9835632e6dab16ed', '', 'completed', '\x1207737065616b65721a04746f6e65420408011028', 'This is sentence number 0, to be heard. This is sentence number 1, to be heard. ', 159, 4, 24000, 1795921555.2035701, 1795921555.2149696, 1795921555.2777166, 4, 159, 159, 381600, 0.012060546010616235, '', '', '', 0, 0);
INSERT INTO public.jobs VALUES ('job_a6f4deff76172baf', '', 'queued', '\x1207737065616b65721a04746f6e65420408011028', 'Waiting for its turn. This is sentence number 0, to be heard. This is sentence n', 181, 5, 24000, 1795921557.606976, NULL, NULL, 0, 0, 0, 0, 0, '', '', '', 0, 0);
INSERT INTO public.past_requests VALUES ('req_f60b4cbc91ff88e4', '0cefe738c5be031ba3f27a5ca5ea2d99', '', '', 'Synthesize', 'speaker', 'tone', '\x42020801', 'OK', '', '', 1795921555.723911, 0.009659440998802893, 0.0003952769984607585, 0.0008813690001261421, 0.009475157996348571, 34, 0, 3.4000000000000017, 34, 0, 'This is said once. And it is kept.', true, '\x080110c0bb0118012209617564696f2f776176', 163244, '');
INSERT INTO public.past_requests VALUES ('req_37e3b808268ed332', '425815c4abfcc1e79997f55e6a5232f9', '', '', 'Transcribe', 'listener', '', '\x2202656e', 'OK', '', '', 1795921555.745424, 0.273413974995492, 0.21211886100354604, 0.2604882439991343, 0.27011877299810294, 0, 3.4, 0, 0, 34, 'This is said once. And it is kept.', true, '\x', 0, '');
INSERT INTO public.past_requests VALUES ('req_05d369f9afc65c2d', '903cdd2cdcbbbef36290318cb7af99c0', '', '', 'Synthesize', 'speaker', '', '\x1a066e6f626f647942020801', 'NOT_FOUND', 'VOICE_NOT_FOUND', 'voice', 1795921556.041058, 0.0014010599988978356, 0.0006804399963584729, NULL, 0.0011938219977309927, 8, 0, 0, 0, 0, 'Refused.', true, '\x', 0, '');
INSERT INTO public.schema_version VALUES (3);
SELECT pg_catalog.setval('public.schema_version_version_seq', 1, false);
ALTER TABLE ONLY public.activity_snapshots
    ADD CONSTRAINT activity_snapshots_pkey PRIMARY KEY (server_id, key_id);
ALTER TABLE ONLY public.job_pieces
    ADD CONSTRAINT job_pieces_pkey PRIMARY KEY (job_id, number);
ALTER TABLE ONLY public.job_requests
    ADD CONSTRAINT job_requests_pkey PRIMARY KEY (key_id, request_id);
ALTER TABLE ONLY public.job_samples
    ADD CONSTRAINT job_samples_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY public.job_turns
    ADD CONSTRAINT job_turns_pkey PRIMARY KEY (key_id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.past_requests
    ADD CONSTRAINT past_requests_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);
CREATE INDEX jobs_newest ON public.jobs USING btree (created, id);
CREATE INDEX jobs_to_run ON public.jobs USING btree (state, lease_until);
CREATE INDEX past_requests_newest ON public.past_requests USING btree (started, id);
CREATE INDEX past_requests_of_key ON public.past_requests USING btree (key_id, started, id);
ALTER TABLE ONLY public.job_pieces
    ADD CONSTRAINT job_pieces_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.job_requests
    ADD CONSTRAINT job_requests_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.job_samples
    ADD CONSTRAINT job_samples_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;
