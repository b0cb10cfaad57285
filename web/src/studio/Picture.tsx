import { useState } from "react";

/** An image that opens in full, or a link to it where the page may not show it. */
export function Picture({ url, alt }: { url: string; alt: string }) {
  const [broken, setBroken] = useState(false);
  return (
    <a href={url} target="_blank" rel="noopener" className="picture">
      {broken ? (
        <span className="missing">This page cannot show the image. Open it in a new tab.</span>
      ) : (
        <img src={url} alt={alt} decoding="async" onError={() => setBroken(true)} />
      )}
    </a>
  );
}
