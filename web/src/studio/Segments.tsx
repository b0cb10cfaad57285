import { useId } from "react";

interface Props {
  legend: string;
  options: string[];
  value: string;
  onChange: (value: string) => void;
}

/** One of a few, as a row of radio buttons. */
export function Segments({ legend, options, value, onChange }: Props) {
  const name = useId();
  return (
    <fieldset className="segments">
      <legend>{legend}</legend>
      <div>
        {options.map((option) => (
          <label key={option}>
            <input
              type="radio"
              name={name}
              value={option}
              checked={option === value}
              onChange={() => onChange(option)}
            />
            <span>{option}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
