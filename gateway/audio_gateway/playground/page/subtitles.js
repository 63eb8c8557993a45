// SubRip and WebVTT, of segments with times in seconds.

function stamp(seconds, mark) {
  const all = Math.round(1000 * seconds);
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const clock = [all / 3_600_000, (all / 60_000) % 60, (all / 1000) % 60].map(two).join(":");
  return clock + mark + String(all % 1000).padStart(3, "0");
}

const cue = ({ start, end, text }, mark) => `${stamp(start, mark)} --> ${stamp(end, mark)}\n${text.trim()}\n\n`;

export const srt = (segments) => segments.map((segment, index) => `${index + 1}\n${cue(segment, ",")}`).join("");

export const vtt = (segments) => "WEBVTT\n\n" + segments.map((segment) => cue(segment, ".")).join("");
