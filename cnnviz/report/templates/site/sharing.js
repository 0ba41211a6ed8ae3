// Copy buttons; what a link meant when it was made.
(() => {
  "use strict";
  const local = location.protocol === "file:";
  for (const code of document.querySelectorAll(".copied")) {
    const { absolute, embed } = code.dataset;
    if (absolute) code.textContent = new URL(absolute, location.href).href;
    if (embed && !local) code.textContent = code.textContent.replace(`"${embed}"`, `"${new URL(embed, location.href).href}"`);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    const done = (ok) => {
      button.textContent = ok ? "Copied" : "Not copied: select it and press Ctrl+C";
      setTimeout(() => { button.textContent = "Copy"; }, 3000);
    };
    const byHand = () => {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done(document.execCommand("copy"));
    };
    button.addEventListener("click", () => {
      if (!navigator.clipboard) return byHand();
      navigator.clipboard.writeText(code.textContent).then(() => done(true), byHand);
    });
    code.after(button);
  }
  const meant = new URLSearchParams(location.search).get("v");
  const share = document.getElementById("share");
  if (!meant || !share) return;
  const [picture, numbers] = meant.split("-");
  const [pictureNow, numbersNow] = share.dataset.version.split("-");
  const line = document.createElement("p");
  line.className = "since";
  line.setAttribute("role", "status");
  if (!/^([0-9a-f]{12}|none)-[0-9a-f]{12}$/.test(meant)) line.textContent = "That link says of no picture which one it meant: it was cut or changed.";
  else if (picture !== pictureNow) line.textContent = "This picture has changed since that link was made.";
  else if (numbers !== numbersNow) line.textContent = `${picture === "none" ? "Numbers" : "The picture is the one that the link meant; numbers"} on this page have changed since it was made.`;
  else line.textContent = "As it was when that link was made: picture and numbers are the same.";
  line.classList.toggle("changed", meant !== share.dataset.version);
  document.getElementById("main").prepend(line);
})();
