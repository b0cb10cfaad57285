-- +goose Up
create table "user" ("id" text primary key, "email" text not null);
create table models (id text not null, position integer not null);
create table tasks (id text not null, user_id text not null, model text not null);
create table outputs (task_id text not null, path text not null);
create table api_keys (id text not null, user_id text not null);
create table accounts (user_id text not null, held_micros bigint not null);
create table webhook_events (id text not null, user_id text not null);
-- +goose Down
