import { expect, test } from "vitest";
import { bare } from "./reader.js";

test("HTML in Markdown keeps plain tags without their attributes, and of others the text", () => {
  expect(bare('<b style="position:fixed" onclick=x()>bold</b>')).toBe("<b>bold</b>");
  expect(bare("<script>x()</script>")).toBe("x()");
  expect(bare("<img src=x onerror=x()>")).toBe("");
  expect(bare("a<!-- <script>x()</script> -->b<br/>c")).toBe("ab<br>c");
  expect(bare("<form action='https://example.org'><input></form>")).toBe("");
});

test("what is made to look like something else does not become a tag", () => {
  expect(bare('<img alt=">" onerror=x()>')).not.toMatch(/<\w/);
  expect(bare("<scr<script>ipt>x()</script>")).not.toMatch(/<script/i);
  expect(bare("<<img src=x>svg onload=x()>")).not.toMatch(/<svg|<img/i);
  expect(bare("<B onmouseover=x()>")).toBe("<B>");
});
